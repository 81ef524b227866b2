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


def claimed_until(cluster: LocalCluster, place: str) -> float:
    """Until when a node says that it is being changed."""
    lines = (cluster.root(place) / "owner").read_text().splitlines()
    return float(dict(line.split("=", 1) for line in lines)["until"])


def taken(controller: Controller, words: str) -> bool:
    """Whether the controller has taken up a command."""
    return any(said.startswith(f"{words}: asked for by") for said in controller.said("errand"))


def test_the_controller_carries_out_what_commands_ask_for(
    cluster: LocalCluster, controller: Controller, figure: Figure
) -> None:
    with cluster.load("digits:http", "digits:grpc") as load:
        for words in (("scale", "digits=3"), ("drain", "n2")):
            steps, begun = len(controller.said("step")), time.monotonic()
            ran = cluster.run(*words)
            figure(f"`{' '.join(words)}` by a controller: {time.monotonic() - begun:.1f} s")
            assert taken(controller, " ".join(words)), controller.said("errand")
            assert len(controller.said("step")) > steps
            assert said_in_order(ran.err, ["done in", ": done="]), ran
        first, second = cluster.begin("undrain", "n2"), cluster.begin("scale", "digits=auto", "-o", "json")
        documents = [ended(process) for process in (first, second)]
        assert [ran.code for ran in documents] == [0, 0], documents
        steps_of = [step for n in documents[1].document["nodes"] for step in n["steps"]]
        assert {step["outcome"] for step in steps_of} == {"done"}
    load.report.require_whole()
    refused = cluster.run("drain", "n1", check=8)
    assert "slow would have no ready replica" in refused.err


@pytest.mark.nightly
def test_ctrl_c_leaves_the_work_to_the_controller_and_a_dead_one_leaves_it_to_the_command(
    cluster: LocalCluster, controller: Controller
) -> None:
    asked = Asked(cluster, 16)
    time.sleep(0.5)
    process = cluster.begin("drain", "n1", "--force", "--timeout", "60s")
    wait_until(lambda: taken(controller, "drain n1"), "the drain is taken up")
    time.sleep(1.5)
    second = cluster.begin("drain", "n1", "--force", "--timeout", "60s")
    wait_until(lambda: len([s for s in controller.said("errand") if "drain n1" in s]) > 1, "it is joined")
    for command in (process, second):
        command.send_signal(signal.SIGINT)
    time.sleep(1.0)
    assert process.poll() is None
    second.send_signal(signal.SIGINT)
    assert ended(second, 2).code == -signal.SIGINT
    controller.process.kill()
    controller.process.wait()
    ran = ended(process)
    assert ran.code == 0, ran
    assert said_in_order(
        ran.err,
        ["in flight", "the controller goes on with `drain n1`", "`distctl undrain n1` takes it back"],
    ), ran
    assert said_in_order(ran.err, ["this command carries out the rest itself", "done in"]), ran
    asked.join()
    assert asked.status == 200
    again = Controller(cluster)
    controller.process = again.process  # which the fixture ends
    again.wait_for("errand", "drain n1")  # the second one, that nobody follows any more
    again.wait_for("pass", "steps done")
    cluster.run("undrain", "n1")
    cluster.wait_whole()


@pytest.mark.nightly
def test_one_that_does_not_wait_and_one_of_a_router(cluster: LocalCluster, controller: Controller) -> None:
    ran = cluster.run("drain", "n2", "--detach")
    assert "the controller carries it out; `distctl drain n2` waits for its end" in ran.err, ran
    wait_until(lambda: any("drain digits of n2/0" in s for s in controller.said("step")), "n2 is drained")
    cluster.run("undrain", "n2")
    cluster.run("router", "drain", "main@local", "--force", "--timeout", "5s")
    assert taken(controller, "router drain main@local")
    cluster.run("router", "undrain", "main@local")
    cluster.nothing_to_do()


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
        wait_until(lambda: time.monotonic() - begun > 40, "claims would have run out", 45)
        assert asked.is_alive() and claimed_until(cluster, "n1") > time.time()
        ran = ended(process, 90)
    load.report.require_whole()
    assert ran.code == 0, ran
    assert asked.status == 200
    steps = [s["text"] for n in json.loads(ran.out)["nodes"] for s in n["steps"]]
    assert any("slow" in text for text in steps), ran
    cluster.run("undrain", "n1")
    cluster.wait_whole()
