"""A team: from one operator's file to a database that several share, and what they see when it is away."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from local_cluster import LocalCluster, Ran, local_cluster
from postgres import PASSWORD, Postgres, served

WAIT = ("--lease-wait", "60s")


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with served() as running:
        yield running


@pytest.fixture(scope="module")
def cluster(database: Postgres) -> Iterator[LocalCluster]:
    """Up by one operator, whose record lies in a file: the inventory names a database only since then."""
    with local_cluster(models={"digits": 2, "simple": 1}) as made:
        made.up()
        made.run("scale", "simple=2", "-m", "fair")
        made.spec["store"] = database.as_store(made.folder)
        made.write()
        yield made


def bob(cluster: LocalCluster) -> tuple[str, str]:
    """The option that makes a command one of another operator: the same text in another folder."""
    folder = cluster.folder / "bob"
    folder.mkdir(exist_ok=True)
    (folder / "cluster.yaml").write_text(json.dumps(cluster.spec))
    return "-i", str(folder / "cluster.yaml")


def at_once(cluster: LocalCluster, *commands: tuple[str, ...]) -> list[Ran]:
    """Commands that begin together."""
    begun = [cluster.begin(*words) for words in commands]
    said = [process.communicate(timeout=120) for process in begun]
    return [Ran(process.returncode, *both) for process, both in zip(begun, said, strict=True)]


def test_a_team_at_one_database(cluster: LocalCluster, database: Postgres) -> None:
    """One story, since each part needs the one before."""
    _moves(cluster)
    _work_at_once(cluster)
    _is_restarted(cluster, database)
    _is_away(cluster, database)


def _moves(cluster: LocalCluster) -> None:
    """The new place is empty: nobody begins there by mistake, and the record is brought there whole."""
    refused = cluster.up(check=1)
    assert "this cluster's lies in" in refused.err
    assert "distctl record copy" in refused.err
    assert "the record was copied" in cluster.run("record", "copy").err
    assert not list((cluster.folder / ".distctl").glob("*.db"))
    assert "Nothing to do" in cluster.up(*bob(cluster)).err
    pin = next(m for m in cluster.json("status", *bob(cluster))["models"] if m["model"] == "simple")
    assert "fair" in json.dumps(pin)


def _work_at_once(cluster: LocalCluster) -> None:
    """Three commands of two operators: each waits for its turn, and what each said is kept."""
    ran = at_once(
        cluster,
        ("scale", "digits=1", *WAIT),
        ("drain", "n2", "-m", "disk", *WAIT, *bob(cluster)),
        ("up", "-y", *WAIT, *bob(cluster)),
    )
    assert [r.code for r in ran] == [0, 0, 0], "\n".join(map(str, ran))
    assert any("waiting for the lease" in r.err for r in ran)
    found = cluster.json("status", *bob(cluster))
    n2 = next(node for node in found["nodes"] if node["node"] == "n2")
    assert (n2["intent"]["draining"], n2["intent"]["why"]) == (True, "disk")
    kinds = {event["kind"] for event in cluster.json("events")["events"]}
    assert kinds >= {"scale", "drain", "up"}
    cluster.run("undrain", "n2")


def _is_restarted(cluster: LocalCluster, database: Postgres) -> None:
    """Under a command, which waits and ends well."""
    command = cluster.begin("scale", "digits=auto")
    for _ in range(3):
        time.sleep(0.3)
        database.restart("immediate")
    out, err = command.communicate(timeout=90)
    assert command.returncode == 0, out + err
    cluster.nothing_to_do()


def _is_away(cluster: LocalCluster, database: Postgres) -> None:
    """One message, no traceback, no password; clients notice nothing."""
    with cluster.load("digits:http", "digits:grpc") as load:
        database.stop()
        try:
            away = cluster.run("status", check=1)
        finally:
            database.start()
    assert "the server cannot be reached" in away.err
    assert "Traceback" not in away.err
    assert PASSWORD not in away.out + away.err
    load.report.require_whole()
