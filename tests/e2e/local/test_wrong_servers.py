"""A server that is ready and wrong, or ready and stuck, is found out and healed; a model that is, is told."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
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


def answers(cluster: LocalCluster, node: str) -> bool:
    """Whether a node's server, asked itself, answers for the model."""
    port = cluster.spec["nodes"][node]["servers"]["ports"]
    sent = {"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 1], "data": [0.5]}]}
    url, data = f"http://127.0.0.1:{port}/v2/models/brittle/infer", json.dumps(sent).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=2) as answer:
            return bool(json.load(answer)["outputs"][0]["data"] == [0.5])
    except (urllib.error.URLError, OSError):
        return False


@pytest.mark.nightly
@pytest.mark.parametrize("how", ["wrong", "stuck", "broken"])
def test_a_server_that_is_ready_and_wrong_is_found_out_and_healed(
    cluster: LocalCluster, controller: Controller, how: str, figure: Figure
) -> None:
    """No client asks for the model, so that nothing but made-up requests can tell; others feel nothing."""
    before, begun = cluster.process("n2"), time.monotonic()
    with cluster.load("digits:http") as load:
        spoil(cluster, "n2", how)
        wait_until(lambda: any("failing brittle" in d for d in controller.said("decision")), how, 100)
        found = time.monotonic() - begun
        wait_until(lambda: answers(cluster, "n2"), f"{how}: healed", 120)
        cluster.wait_whole()
    load.report.require_whole()
    figure(
        f"{how}: found out after {found:.1f} s, healed after {time.monotonic() - begun:.1f} s; {load.report}"
    )
    steps = " ".join(controller.said("step"))
    assert "load anew brittle in n2/0" in steps, "that is tried first"
    if how != "stuck":
        assert ("start server n2/0" in steps) == (how == "broken"), "others in the server go on"
        assert (cluster.process("n2") != before) == (how == "broken")
    cluster.nothing_to_do()
