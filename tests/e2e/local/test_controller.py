"""A controller brings back what nobody else would, says why, and lets operators work beside it."""

from __future__ import annotations

import os
import signal
import time
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
        cluster.up()
        yield cluster


@pytest.fixture
def controller(cluster: LocalCluster) -> Iterator[Controller]:
    """One that leads and has found everything as it should be."""
    with Controller(cluster) as found:
        found.wait_for("pass", "nothing is to be done")
        yield found


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


def test_operators_work_beside_it(cluster: LocalCluster, controller: Controller) -> None:
    with cluster.load("digits:http", "digits:grpc") as load:
        for words in (("scale", "simple=1"), ("drain", "n1"), ("undrain", "n1"), ("scale", "simple=auto")):
            cluster.run(*words)
    load.report.require_whole()
    controller.wait_for("decision", "simple is no longer pinned")
    cluster.wait_whole()


def test_a_second_controller_stands_by_and_leads_once_the_first_is_killed(
    cluster: LocalCluster, controller: Controller, figure: Figure
) -> None:
    second = Controller(cluster, "second")
    try:
        second.wait_for("standby", "leads; this one stands by")
        begun = time.monotonic()
        controller.process.kill()
        controller.process.wait()
        second.wait_for("leading", "this controller leads")
        took = time.monotonic() - begun
        figure(f"the leading controller killed: the second one leads after {took:.1f} s")
        assert took < AIM
        controller.process = second.process
        controller.log = second.log
    except BaseException:
        second.process.kill()
        raise
