"""An operator may be interrupted at any moment, by any signal: the next one goes on where it was cut."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
from local_cluster import LocalCluster, local_cluster

CLIENTS = ("digits:http", "digits:grpc", "slow:http", "slow:grpc")


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Nothing of it is up: the first test brings it up, bit by bit."""
    with local_cluster(models={"digits": 2, "slow": 2, "versioned": 2}) as cluster:
        yield cluster


@pytest.fixture
def whole(cluster: LocalCluster) -> LocalCluster:
    """The cluster, up also where the tests that bring it up were not chosen."""
    cluster.up()
    return cluster


def interrupted(cluster: LocalCluster, number: int, when: str, *words: str) -> tuple[int, str]:
    """Begin a command and signal it once it says `when`; its exit code and what it said."""
    with cluster.begin(*words) as process:
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if when in line:
                break
        else:
            raise AssertionError(f"distctl {' '.join(words)} never said {when!r}:\n{said}")
        process.send_signal(number)
        try:
            said += process.communicate(timeout=60)[1]
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return process.returncode, said


@pytest.mark.parametrize(
    ("number", "when", "code"),
    [
        (signal.SIGINT, "install runtime", 130),
        (signal.SIGTERM, "push model", 143),
        (signal.SIGINT, "start server", 130),
        (signal.SIGHUP, "route digits to n1/0", 129),
    ],
)
def test_a_first_up_that_is_interrupted_gives_the_lease_back(
    cluster: LocalCluster, number: int, when: str, code: int
) -> None:
    """Each is a new operator, who gets the lease at once and goes on where the one before was cut."""
    ended, said = interrupted(cluster, number, when, "up", "-y")
    assert ended == code, said
    assert "error: interrupted by" in said
    assert "Traceback" not in said


def test_up_then_converges(cluster: LocalCluster) -> None:
    cluster.up()
    cluster.nothing_to_do()
    ran = cluster.up()
    assert "Nothing to do" in ran.err


def test_the_operator_killed_in_an_up_with_a_changed_model_costs_nothing(cluster: LocalCluster) -> None:
    with cluster.load(*CLIENTS, "versioned:http", "versioned:grpc") as load:
        (cluster.model("versioned") / "2" / "answer.txt").write_text("3000")
        ended, _ = interrupted(cluster, signal.SIGKILL, "reload versioned in n1/0: running", "up", "-y")
        assert ended == -signal.SIGKILL
        taken = cluster.up()  # the lease would last for half a minute more
    load.report.require_whole()
    assert "whose process has ended, during: up by" in taken.err
    events = cluster.json("events")["events"]
    assert any(event["kind"] == "lease" and "whose process has ended" in event["text"] for event in events)
    cluster.nothing_to_do()


@pytest.mark.nightly
def test_the_operator_killed_in_a_drain_costs_nothing(whole: LocalCluster) -> None:
    with whole.load(*CLIENTS) as load:
        interrupted(whole, signal.SIGKILL, "of n1/0: running", "drain", "n1")
        time.sleep(1)
        whole.run("drain", "n1")
        whole.run("undrain", "n1")
    load.report.require_whole()
    whole.nothing_to_do()


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("count", "when"),
    [("1", "drain digits"), ("2", "load digits in"), ("1", "unload digits"), ("2", "route digits")],
)
def test_the_operator_killed_in_a_scale_costs_nothing(whole: LocalCluster, count: str, when: str) -> None:
    with whole.load(*CLIENTS) as load:
        interrupted(whole, signal.SIGKILL, when, "scale", f"digits={count}")
        time.sleep(1)
        whole.up()
        whole.nothing_to_do()
    load.report.require_whole()


def test_ctrl_c_in_a_drain_releases_the_lease_and_says_what_goes_on(cluster: LocalCluster) -> None:
    with cluster.load(*CLIENTS, "slow:http*2") as load:
        ended, said = interrupted(cluster, signal.SIGINT, "n1", "drain", "n1")
        assert ended == 130, said
        cluster.run("drain", "n1")
        cluster.run("undrain", "n1")
    load.report.require_whole()
    cluster.nothing_to_do()


@pytest.mark.nightly
@pytest.mark.parametrize("when", ["install runtime", "push model", "start server", "route digits"])
def test_the_operator_killed_in_a_first_up_is_followed_by_one_that_converges(when: str) -> None:
    with local_cluster(models={"digits": 2}) as cluster:
        interrupted(cluster, signal.SIGKILL, when, "up", "-y")
        cluster.up()
        cluster.nothing_to_do()
