"""The database goes away under a controller: clients notice nothing, it says so, and goes on by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from controlled import Controller
from local_cluster import LocalCluster, local_cluster, wait_until
from postgres import Postgres, served
from test_controller import fetched, kill_for_good

Figure = Callable[[str], None]
AWAY = 5.0  # seconds
AGAIN = 5.0  # seconds until it leads again once the database is back
CLIENTS = ("digits:http", "digits:grpc", "simple:http", "simple:grpc")


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with served() as running:
        yield running


@pytest.fixture(scope="module")
def cluster(database: Postgres) -> Iterator[LocalCluster]:
    with local_cluster(models={"digits": 2, "simple": 2}) as made:
        made.spec["store"] = database.as_store(made.folder)
        made.spec["controller"] = {"listen": f"127.0.0.1:{made.ports['http'] + 5}"}
        made.write()
        made.up()
        yield made


@pytest.fixture
def controller(cluster: LocalCluster) -> Iterator[Controller]:
    with Controller(cluster) as found:
        found.wait_for("pass", "nothing is to be done")
        yield found


@contextmanager
def back_in_time(controller: Controller, figure: Figure, what: str) -> Iterator[None]:
    """The database is back at the end of this: it leads again soon, and says how long it could not."""
    before = len(controller.said("leading"))
    yield
    begun = time.monotonic()
    wait_until(lambda: len(controller.said("leading")) > before, "it leads again")
    took = time.monotonic() - begun
    figure(f"{what}: the controller leads again {took:.1f} s after the database is back")
    assert took < AGAIN


@pytest.mark.nightly
def test_a_restarted_database_costs_no_client_and_nothing_is_done_without_it(
    cluster: LocalCluster, database: Postgres, controller: Controller, figure: Figure
) -> None:
    metrics = f"http://{cluster.spec['controller']['listen']}/metrics"
    with cluster.load(*CLIENTS) as load:
        with back_in_time(controller, figure, f"database away for {AWAY:g} s"):
            database.stop()
            begun = time.monotonic()
            command = cluster.begin("scale", "simple=1")
            controller.wait_for("error", "nothing is begun without the record")
            assert "distctl_controller_record_usable 0.0" in fetched(metrics)
            killed = cluster.process("n1")
            kill_for_good(cluster, "n1")
            done = len(controller.said("step"))
            time.sleep(max(0.0, begun + AWAY - time.monotonic()))
            assert len(controller.said("step")) == done
            assert cluster.process("n1") == killed, "nobody may start it without the record"
            database.start()
        out, err = command.communicate(timeout=90)
        assert "Traceback" not in err
        assert command.returncode == 0 or "then run the command again" in err, (out, err)
        figure(f"the command that came meanwhile: exit {command.returncode}")
        controller.wait_for("decision", "n1/0 is dead")
        cluster.wait_whole()
    load.report.require_whole()
    assert len(controller.said("error")) == 1, "it is said once"
    _told(cluster, "could not be used for")
    cluster.run("scale", "simple=auto")
    cluster.nothing_to_do()


@pytest.mark.nightly
def test_a_database_that_is_killed_in_a_pass_leaves_it_to_be_ended(
    cluster: LocalCluster, database: Postgres, controller: Controller, figure: Figure
) -> None:
    """Each of the pass's steps is either in the record or done again."""
    with cluster.load(*CLIENTS) as load:
        kill_for_good(cluster, "n1")
        controller.wait_for("decision", "n1/0 is dead")
        command = cluster.begin("scale", "simple=1", "digits=1")
        controller.wait_for("errand", "scale simple=1 digits=1")
        with back_in_time(controller, figure, "database killed in a pass"):
            database.kill()
            controller.wait_for("error", "nothing is begun without the record")
            database.start()
        out, err = command.communicate(timeout=90)
        assert command.returncode == 0, (out, err)
        cluster.run("scale", "simple=auto", "digits=auto")
        cluster.wait_whole()
    load.report.require_whole()
    cluster.nothing_to_do()


def _told(cluster: LocalCluster, text: str) -> None:
    """That the record itself says when it could not be used."""
    found = cluster.json("events")["events"]
    assert any(event["kind"] == "record" and text in event["text"] for event in found), found
