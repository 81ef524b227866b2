"""Each alert is fired by a real Prometheus to a real Alertmanager, and ends when what it is about is over."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from dashboards import queries
from outlooks import A, B, outlook, ruined, ward, whole
from telling_parts import Program, Told, alertmanager, eventually, prometheus

from distctl.cluster.spec import Endpoint
from distctl.commands import prometheus as texts
from distctl.policy.outlook import Outlook, Passes
from distctl.policy.symptoms import Kind

pytestmark = pytest.mark.skipif(
    "CI" not in os.environ and not shutil.which("prometheus-alertmanager"),
    reason="needs the Debian package prometheus-alertmanager",
)
OFTEN = {"scrape_interval": "250ms", "scrape_timeout": "250ms", "evaluation_interval": "250ms"}


@dataclass
class Watched:
    """A controller's desk, and who watches it."""

    told: Told
    prometheus: Program
    alertmanager: Program

    def alerts(self) -> set[str]:
        """The names of those that Alertmanager has been told of and that have not ended."""
        return {one["labels"]["alertname"] for one in self.alertmanager.json("/api/v2/alerts", active="true")}


def hurried_alerts() -> str:
    """The rules, none of which waits."""
    found = yaml.safe_load(texts.alerts())
    for rule in found["groups"][0]["rules"]:
        rule.pop("for", None)
    return yaml.safe_dump(found)


def configure(folder: Path, told: Told, manager: Program) -> None:
    """What `distctl router prometheus` writes, with short intervals and an Alertmanager."""
    desk = texts.Desk(Endpoint("127.0.0.1", told.port))
    config = yaml.safe_load(texts.scrape("prod", [], desk))
    targets = [{"static_configs": [{"targets": [f"127.0.0.1:{manager.port}"]}]}]
    config |= {"global": OFTEN, "alerting": {"alertmanagers": targets}}
    for job in config["scrape_configs"]:
        for found in job.get("http_sd_configs", []):
            found["refresh_interval"] = "1s"
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (folder / "distctl-prod.rules.yml").write_text(texts.rules())
    (folder / "distctl-prod.alerts.yml").write_text(hurried_alerts())


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    with ExitStack() as stack:
        told, manager = stack.enter_context(Told()), stack.enter_context(alertmanager(folder))
        told.outlook = outlook(whole(time.time() + 3600))
        configure(folder, told, manager)
        yield Watched(told, stack.enter_context(prometheus(folder)), manager)


def test_every_query_of_the_dashboard_is_answered_with_data(watched: Watched) -> None:
    asked = queries("prod", rules=False)
    unanswered = set(asked)
    for number in range(100):
        totals = {A: 100 * number, B: 50 * number}
        passes = Passes(3 + number, 1, 8.5 + number)
        watched.told.outlook = outlook(whole(time.time(), totals), passes=passes)
        unanswered -= {query for query in unanswered if watched.prometheus.series(query)}
        if not unanswered:
            break
        time.sleep(0.2)
    assert not unanswered and len(asked) > 20
    rate = watched.prometheus.series(
        'sum by (model) (rate(distctl_model_requests_total{cluster="prod"}[5s])) > 0'
    )
    assert [labels["model"] for labels, _ in rate] == ["digits"]
    watched.told.outlook = outlook(whole(time.time() + 3600))


def all_wrong() -> Outlook:
    """Everything that an alert is about, but for a controller that is away."""
    seen = ruined(time.time() - 600)
    routers = {id: replace(sight, error="no answer") for id, sight in seen.snapshot.routers.items()}
    seen = replace(seen, snapshot=replace(seen.snapshot, routers=routers))
    return outlook(seen, ward=ward(Kind.HUNG, held="2 of 2 turned bad"), passes=Passes(3, 50), lost="full")


def test_every_alert_fires_for_what_it_is_about_and_ends_with_it(watched: Watched, tmp_path: Path) -> None:
    file = tmp_path / "alerts.yml"
    file.write_text(texts.alerts())
    checked = subprocess.run(
        ["promtool", "check", "rules", file], check=False, capture_output=True, text=True
    )
    rules = [rule["alert"] for rule in yaml.safe_load(texts.alerts())["groups"][0]["rules"]]
    assert checked.returncode == 0 and f"{len(rules)} rules found" in checked.stdout, checked
    controller = 'up{job="distctl-prod-controller"} == 1'
    eventually(lambda: bool(watched.prometheus.series(controller)), "the controller is scraped")
    time.sleep(1.0)
    assert watched.alerts() == set(), "all is well"

    watched.told.outlook = all_wrong()
    wrong = set(rules) - {"DistctlControllerAbsent", "DistctlModelShort"}
    eventually(lambda: wrong <= watched.alerts(), f"{wrong}")
    assert watched.alerts() == wrong
    found = watched.alertmanager.json("/api/v2/alerts", filter='alertname="DistctlServerDown"')
    assert {one["labels"]["server"] for one in found} == {"a/0", "b/0"}
    assert {one["annotations"]["summary"] for one in found} == {"Server a/0 is hung", "Server b/0 is hung"}
    assert {one["labels"]["cluster"] for one in found} == {"prod"}

    watched.told.outlook = Outlook()
    eventually(lambda: "DistctlControllerAbsent" in watched.alerts(), "nobody leads")
    seen = whole(time.time() + 3600)
    fewer = {id: sight for id, sight in seen.snapshot.servers.items() if id.node == "a"}
    watched.told.outlook = outlook(replace(seen, snapshot=replace(seen.snapshot, servers=fewer)))
    eventually(lambda: "DistctlModelShort" in watched.alerts(), "a model has too few")
    watched.told.outlook = outlook(whole(time.time() + 3600))
    eventually(lambda: watched.alerts() <= {"DistctlPassesFail"}, "all have ended")
