"""A controller brings back what nobody else would, says why, and lets operators work beside it."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator

import pytest
from controlled import Controller, ask_server
from local_cluster import LocalCluster, local_cluster, wait_until

Figure = Callable[[str], None]
TRITON = 8.0  # seconds that Triton's own start may take here, on a core that others use too
UNLOAD = "repository/models/digits/unload"
AIM = 5.0  # seconds from a loss to its repair, beside Triton's own start


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with local_cluster(models={"digits": 2, "simple": 2}) as cluster:
        cluster.spec["controller"] = {"listen": f"127.0.0.1:{cluster.ports['http'] + 5}"}
        cluster.write()
        cluster.up()
        yield cluster


@pytest.fixture
def controller(cluster: LocalCluster) -> Iterator[Controller]:
    """One that leads and has found everything as it should be."""
    with Controller(cluster) as found:
        found.wait_for("pass", "nothing is to be done")
        yield found


def fetched(url: str) -> str:
    """What is answered there."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def kill_for_good(cluster: LocalCluster, place: str, unit: str = "server-0") -> None:
    """Kill a process and the supervisor that would start it again."""
    os.kill(cluster.supervisor(place, unit), signal.SIGKILL)
    os.kill(cluster.process(place, unit), signal.SIGKILL)


def test_what_is_lost_for_good_comes_back_by_itself(
    cluster: LocalCluster, controller: Controller, figure: Figure
) -> None:
    losses: list[tuple[str, Callable[[], None], str, float]] = [
        ("server and supervisor", lambda: kill_for_good(cluster, "n1"), "n1/0 is dead", TRITON),
        ("router", lambda: kill_for_good(cluster, "local", "router-main"), "main@local does not run", 0.0),
        ("model", lambda: ask_server(cluster, "n2", UNLOAD), "n2/0 is without digits", 2.0),
    ]
    for what, lose, reason, start in losses:
        passes = len(controller.said("pass"))
        begun = time.monotonic()
        lose()
        wait_until(lambda n=passes: len(controller.said("pass")) > n, f"a pass for the lost {what}")
        took = time.monotonic() - begun
        figure(f"{what} lost: whole again after {took:.1f} s")
        assert any(reason in said for said in controller.said("decision")), controller.said("decision")
        assert took < AIM + start
        cluster.wait_whole(5)
    cluster.nothing_to_do()


def test_it_tells_over_http_what_it_knows(cluster: LocalCluster, controller: Controller) -> None:
    place = f"http://{cluster.spec['controller']['listen']}"
    metrics = fetched(f"{place}/metrics")
    for line in (
        "distctl_controller_leading 1.0",
        'distctl_servers{state="ready"} 2.0',
        'distctl_model_replicas_serving{model="digits"} 2.0',
        'distctl_router_running{router="main@local"} 1.0',
    ):
        assert line in metrics.splitlines(), metrics
    found = json.loads(fetched(f"{place}/sd"))
    assert len(found) == 3
    for one in found:
        kind = "haproxy_" if "router" in one["labels"] else "nv_"
        assert kind in fetched(f"http://{one['targets'][0]}/metrics"), one
    link = cluster.run("controller", "page").out.strip()
    assert link.startswith(f"{place}/login?token=")
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with browser.open(link, timeout=10) as answer:
        page = answer.read().decode()
    assert answer.url == f"{place}/" and "<td>main@local</td>" in page and "2/2" in page
    assert f'url: "{place}/sd?role=router"' in cluster.run("router", "prometheus").out


@pytest.mark.nightly
def test_operators_work_beside_it(cluster: LocalCluster, controller: Controller) -> None:
    with cluster.load("digits:http", "digits:grpc") as load:
        for words in (("scale", "simple=1"), ("drain", "n1"), ("undrain", "n1"), ("scale", "simple=auto")):
            cluster.run(*words)
    load.report.require_whole()
    controller.wait_for("decision", "simple is no longer pinned")
    cluster.wait_whole()


@pytest.mark.nightly
def test_one_that_was_stopped_past_its_lease_changes_nothing_when_it_wakes(
    cluster: LocalCluster, controller: Controller, figure: Figure
) -> None:
    """It is stopped in the middle of a pass, and only goes on once the second one has done it all."""
    with Controller(cluster, "second") as second, cluster.load("digits:http", "digits:grpc") as load:
        second.wait_for("standby", "leads; this one stands by")
        killed = cluster.process("n1")
        kill_for_good(cluster, "n1")
        controller.wait_for("decision", "n1/0 is dead")
        wait_until(lambda: cluster.process("n1") not in (0, killed), "n1 starts")
        controller.process.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        second.wait_for("leading", "this controller leads")
        figure(f"the leading controller stopped: the second one leads after {time.monotonic() - begun:.1f} s")
        assert time.monotonic() - begun < AIM
        wait_until(lambda: second.said("pass"), "the second one's pass", 60)
        cluster.wait_whole()
        before = (owners(cluster), cluster.process("n1"), cluster.process("n2"), controller.said("step"))
        controller.process.send_signal(signal.SIGCONT)
        controller.wait_for("woke", "this process was stopped for")
        controller.wait_for("standby", "leads; this one stands by")
        controller.wait_for("waiting", "by now")
        time.sleep(3)
        after = (owners(cluster), cluster.process("n1"), cluster.process("n2"), controller.said("step"))
        assert after == before
    load.report.require_whole()
    cluster.nothing_to_do()


@pytest.mark.nightly
def test_in_the_background_it_is_found_again_outlives_a_crash_and_leaves_a_cluster_down(
    cluster: LocalCluster,
) -> None:
    cluster.run("controller", "run", "--detach")
    try:
        first = cluster.json("controller", "status")["here"][0]
        assert f"runs already as process {first}" in cluster.run("controller", "run", "--detach").err
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: first not in cluster.json("controller", "status", check=None)["here"], "it ends")
        wait_until(lambda: cluster.json("controller", "status", check=None)["leader"], "another one leads")
        cluster.run("down", "-y")
        time.sleep(5)
        assert not cluster.root("n1").exists()
        cluster.up()
        cluster.nothing_to_do()
    finally:
        ran = cluster.run("controller", "stop", check=None)
    assert ran.code == 0, ran
    assert "stopped: process" in ran.err
    cluster.run("controller", "status", check=1)


def owners(cluster: LocalCluster) -> dict[str, str]:
    """Whose each place is, and how far it was changed."""
    return {place: (cluster.root(place) / "owner").read_text() for place in (*cluster.nodes, "local")}


def test_a_second_controller_stands_by_and_leads_once_the_first_is_killed(
    cluster: LocalCluster, controller: Controller, figure: Figure
) -> None:
    with Controller(cluster, "second") as second:
        second.wait_for("standby", "leads; this one stands by")
        begun = time.monotonic()
        controller.process.kill()
        controller.process.wait()
        second.wait_for("leading", "this controller leads")
        took = time.monotonic() - begun
        figure(f"the leading controller killed: the second one leads after {took:.1f} s")
        assert took < AIM
    again = Controller(cluster)
    again.wait_for("pass", "nothing is to be done")
    controller.process = again.process  # which the fixture ends
