"""What a Prometheus is given: it takes it, scrapes a real router, and every rule answers under load."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from conftest import FIRST
from dashboards import queries
from router_harness import Router, wait_for
from router_load import Load

from distctl.cluster.spec import Endpoint, LogSpec
from distctl.commands import prometheus
from distctl.commands.prometheus import Target

pytestmark = pytest.mark.skipif(
    "CI" not in os.environ and not shutil.which("prometheus"), reason="needs the Debian package prometheus"
)
PORT = FIRST + 80
RULES = [rule for group in yaml.safe_load(prometheus.rules())["groups"] for rule in group["rules"]]


class Prometheus:
    """A real one, which asks and computes four times a second."""

    def __init__(self, folder: Path, router: Router) -> None:
        target = Target(router.view.id, Endpoint("127.0.0.1", router.view.metrics_port))
        text = prometheus.scrape("test", [target])
        self.file = folder / "prometheus.yml"
        often = "global: {scrape_interval: 250ms, scrape_timeout: 250ms, evaluation_interval: 250ms}\n"
        self.file.write_text(often + text)
        (folder / "distctl-test.rules.yml").write_text(prometheus.rules())
        self._folder = folder

    def __enter__(self) -> Prometheus:
        words = [f"--config.file={self.file}", f"--storage.tsdb.path={self._folder / 'data'}"]
        words += [f"--web.listen-address=127.0.0.1:{PORT}", "--log.level=error"]
        self._process = subprocess.Popen(["prometheus", *words])
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def ask(self, query: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each series."""
        words = urllib.parse.urlencode({"query": query})
        url = f"http://127.0.0.1:{PORT}/api/v1/query?{words}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                found = json.loads(answer.read())["data"]["result"]
        except OSError:
            return []
        return [(one["metric"], float(one["value"][1])) for one in found]

    def value(self, query: str) -> float:
        """The value of the one series; 0 when there is none."""
        found = self.ask(query)
        return found[0][1] if found else 0.0


@pytest.fixture
def watched(make_router: Callable[..., Router], tmp_path: Path) -> Iterator[tuple[Router, Prometheus]]:
    router = make_router(log=LogSpec())
    router.apply()
    with Prometheus(tmp_path, router) as watcher:
        yield router, watcher


def pools(watcher: Prometheus) -> set[tuple[str, str]]:
    """Protocol and kind of the pools that get requests."""
    return {(m["protocol"], m["kind"]) for m, _ in watcher.ask("model_kind:distctl_requests:rate1m > 0")}


def test_every_rule_answers_under_load_with_the_names_of_the_cluster(
    watched: tuple[Router, Prometheus],
) -> None:
    router, watcher = watched
    checked = subprocess.run(
        ["promtool", "check", "config", watcher.file], check=False, capture_output=True, text=True
    )
    assert checked.returncode == 0 and f"SUCCESS: {len(RULES)} rules found" in checked.stdout, checked
    with Load(router) as load:
        wait_for(
            lambda: watcher.value('model:distctl_requests:rate1m{model="digits"}') > 0, "two scrapes", 40
        )
        for _ in range(10):
            router.infer(x_drop="1")  # lost with two servers: 502
        ratio = 'model:distctl_errors:ratio1m{cluster="test",model="digits"}'
        wait_for(lambda: watcher.value(ratio) > 0, "errors to be seen", 40)
        names = [rule["record"] for rule in RULES]
        wait_for(lambda: all(watcher.ask(name) for name in names), "every rule to answer", 40)
        for query in queries("test", rules=True):
            wait_for(lambda asked=query: bool(watcher.ask(asked)), query)
        rate = watcher.value('model:distctl_requests:rate1m{model="digits"}')
        unserved = watcher.value('model:distctl_unserved:rate1m{model="digits"}')
        assert 0 < unserved < rate / 2 and 0 < watcher.value(ratio) < 0.5
        assert 0 < watcher.value('model:distctl_duration_seconds:mean{model="digits"}') < 1
        assert watcher.value('model:distctl_servers:min{model="digits"}') == 2
        assert watcher.value('model:distctl_in_flight:sum{model="digits"}') >= 1
        assert watcher.value("router:distctl_requests:rate1m") > 0
        kinds = {("rest", "replay"), ("grpc", "replay"), ("grpc", "stream")}
        wait_for(lambda: kinds <= pools(watcher), "every kind of request to be counted", 40)
        servers = {(m["node"], m["server"]) for m, v in watcher.ask("server:distctl_requests:rate1m > 0")}
        assert servers == {("n1", "n1/0"), ("n2", "n2/0")}
    assert not load.failures
    assert {m["router"] for m, _ in watcher.ask("router:distctl_requests:rate1m")} == {"main@here"}
    assert {m["model"] for m, _ in watcher.ask("model:distctl_requests:rate1m")} == {"digits", "seq"}
    assert not watcher.ask('{__name__=~"haproxy_.*_check_status"}')
