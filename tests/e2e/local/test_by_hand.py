"""Commands by hand while a controller leads: they write what they want, it carries it out, they follow."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
from controlled import Controller
from local_cluster import LocalCluster, Ran, local_cluster, said_in_order, wait_until
from long_request import Asked

Figure = Callable[[str], None]


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """`slow` lives on n1 alone, and n3 takes what others leave."""
    with local_cluster(
        nodes=3,
        models={"digits": 2, "slow": {"replicas": 1, "where": {"pool": "a"}}},
        node_settings={"n1": {"labels": {"pool": "a"}}},
    ) as cluster:
        cluster.up()
        yield cluster


@pytest.fixture
def controller(cluster: LocalCluster) -> Iterator[Controller]:
    """One that leads and has found everything as it should be."""
    with Controller(cluster) as found:
        found.wait_for("pass", "nothing is to be done")
        yield found


def ended(process: subprocess.Popen[str], seconds: float = 60.0) -> Ran:
    """What a command that was begun printed until its end."""
    out, err = process.communicate(timeout=seconds)
    return Ran(process.returncode, out, err)


def taken(controller: Controller, words: str) -> bool:
    """Whether the controller has taken up a command."""
    return any(said.startswith(f"{words}: asked for by") for said in controller.said("errand"))


def test_the_controller_carries_out_what_commands_ask_for(
    cluster: LocalCluster, controller: Controller, figure: Figure
) -> None:
    with cluster.load("digits:http", "digits:grpc") as load:
        for words in (("scale", "digits=3"), ("drain", "n2"), ("undrain", "n2"), ("scale", "digits=auto")):
            steps, begun = len(controller.said("step")), time.monotonic()
            ran = cluster.run(*words)
            figure(f"`{' '.join(words)}` by a controller: {time.monotonic() - begun:.1f} s")
            assert taken(controller, " ".join(words)), controller.said("errand")
            assert len(controller.said("step")) > steps
            assert said_in_order(ran.err, ["done in", ": done="]), ran
        first, second = cluster.begin("cordon", "n3", "-o", "json"), cluster.begin("scale", "digits=1")
        for process in (first, second):
            ran = ended(process)
            assert ran.code == 0, ran
        cluster.run("undrain", "n3")
        cluster.run("scale", "digits=auto")
    load.report.require_whole()
    document = cluster.json("scale", "digits=3")
    assert document["exit_code"] == 0
    assert {step["outcome"] for n in document["nodes"] for step in n["steps"]} == {"done"}
    cluster.run("scale", "digits=auto")
    refused = cluster.run("drain", "n1", check=8)
    assert "slow would have no ready replica" in refused.err
    cluster.wait_whole()


def test_ctrl_c_leaves_the_work_to_the_controller_and_a_dead_one_leaves_it_to_the_command(
    cluster: LocalCluster, controller: Controller
) -> None:
    asked = Asked(cluster, 14)
    time.sleep(0.5)
    process = cluster.begin("drain", "n1", "--force", "--timeout", "60s")
    wait_until(lambda: taken(controller, "drain n1"), "the drain is taken up")
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    time.sleep(1.0)
    assert process.poll() is None
    controller.process.kill()
    controller.process.wait()
    ran = ended(process)
    assert ran.code == 0, ran
    assert said_in_order(
        ran.err,
        ["in flight", "the controller goes on with `drain n1`", "`distctl undrain n1` takes it back"],
    ), ran
    assert said_in_order(ran.err, ["has ended: this command carries out the rest itself", "done in"]), ran
    asked.join()
    assert asked.status == 200
    again = Controller(cluster)
    again.wait_for("pass", "nothing is to be done")
    controller.process = again.process  # which the fixture ends
    cluster.run("undrain", "n1")
    cluster.wait_whole()


@pytest.mark.nightly
def test_a_drain_that_waits_for_a_stream_makes_room_for_a_server_that_was_killed(
    cluster: LocalCluster, controller: Controller, figure: Figure
) -> None:
    asked = Asked(cluster, 60)
    time.sleep(0.5)
    with cluster.load("digits:http", "digits:grpc") as load:
        process = cluster.begin("drain", "n1", "--force", "--timeout", "90s", "-o", "json")
        wait_until(lambda: taken(controller, "drain n1"), "the drain is taken up")
        time.sleep(3)
        passes, begun = len(controller.said("pass")), time.monotonic()
        os.kill(cluster.supervisor("n2"), signal.SIGKILL)
        os.kill(cluster.process("n2"), signal.SIGKILL)
        wait_until(lambda: any("n2 start server" in s for s in controller.said("step")), "n2 starts", 30)
        took = time.monotonic() - begun
        figure(f"a server killed while a drain waits: started after {took:.1f} s")
        assert took < 5 + 8
        assert any("makes room: n2/0 is dead" in said for said in controller.said("pass")[passes:])
        assert process.poll() is None and asked.is_alive()
        wait_until(lambda: cluster.serves("n2", "digits"), "n2 serves", 30)
        ran = ended(process, 90)
    load.report.require_whole()
    assert ran.code == 0, ran
    assert asked.status == 200
    steps = [s["text"] for n in json.loads(ran.out)["nodes"] for s in n["steps"]]
    assert any("slow" in text for text in steps), ran
    cluster.run("undrain", "n1")
    cluster.wait_whole()
