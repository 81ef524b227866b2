"""A server that is ready and wrong, or ready and stuck, is found out and healed; a model that is, is told."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from controlled import Controller
from local_cluster import LocalCluster, local_cluster, wait_until

Figure = Callable[[str], None]
BRITTLE = {"replicas": 2, "timeouts": {"first": "2s"}}


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two nodes with a model that goes wrong in the process that a file names."""
    with local_cluster(models={"brittle": BRITTLE, "digits": 2}) as cluster:
        code = cluster.model("brittle") / "1/model.py"
        code.write_text(code.read_text().replace("@FLAGS@", str(cluster.folder)))
        cluster.up()
        yield cluster


@pytest.fixture
def controller(cluster: LocalCluster) -> Iterator[Controller]:
    with Controller(cluster) as found:
        found.wait_for("pass", "nothing is to be done")
        yield found


def spoil(cluster: LocalCluster, node: str, how: str) -> Path:
    """Have the model go wrong in a node's server."""
    flag = cluster.folder / how
    flag.write_text(str(cluster.process(node)))
    return flag


@pytest.mark.nightly
@pytest.mark.parametrize("how", ["wrong", "stuck", "broken"])
def test_a_server_that_is_ready_and_wrong_is_found_out_and_healed(
    cluster: LocalCluster, controller: Controller, how: str, figure: Figure
) -> None:
    """No client asks for the model, so that nothing but made-up requests can tell; others feel nothing."""
    before, begun, passes = cluster.process("n2"), time.monotonic(), len(controller.said("pass"))
    helped = "start server n2/0" if how == "broken" else "load anew brittle in n2/0: done"
    with cluster.load("digits:http") as load:
        spoil(cluster, "n2", how)
        wait_until(lambda: any("failing brittle" in d for d in controller.said("decision")), how, 40)
        found = time.monotonic() - begun
        wait_until(lambda: any(helped in step for step in controller.said("step")), f"{how}: {helped}", 90)
        wait_until(lambda: len(controller.said("pass")) > passes, f"{how}: the pass ends", 60)
        cluster.wait_whole()
    load.report.require_whole()
    figure(
        f"{how}: found out after {found:.1f} s, healed after {time.monotonic() - begun:.1f} s; {load.report}"
    )
    assert "n2/0 is failing brittle" in " ".join(controller.said("decision"))
    assert (cluster.process("n2") != before) == (how == "broken"), "others in the server go on"
    cluster.nothing_to_do()
