"""What distctl refuses, in the words that a user reads, and with the exit code that a script sees."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from local_cluster import LocalCluster, Ran, local_cluster, wait_until


@pytest.fixture
def nothing() -> Iterator[LocalCluster]:
    """A cluster of which nothing is there yet."""
    with local_cluster(models={"digits": 1}, nodes=1) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with local_cluster(models={"digits": 2}) as cluster:
        cluster.up()
        yield cluster


def untouched(cluster: LocalCluster) -> bool:
    """Whether nothing of distctl's is anywhere, the record apart."""
    return not list(cluster.leftovers())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nodes: {n1: {connektion: local}}", "did you mean `connection`"),
        ("nodes: {n1: {connection: local}, n1: {connection: local}}", "n1"),
        ("nodes: {n1: {connection: no}}", "connection"),
        ("nodes: [", "line"),
    ],
)
def test_a_wrong_inventory_ends_with_2_and_nothing_is_contacted(
    nothing: LocalCluster, text: str, said: str
) -> None:
    nothing.file.write_text(f"version: 1\ncluster: {nothing.name}\n{text}\n")
    for words in (("up", "-y"), ("plan",), ("status",), ("drain", "n1"), ("down", "-y")):
        ran = nothing.run(*words, check=2)
        assert f"{nothing.file}:" in ran.err
        assert "Traceback" not in ran.err
    assert said in ran.err
    assert untouched(nothing)
    assert not (nothing.folder / ".distctl").exists()


def test_wrong_usage_ends_with_2(cluster: LocalCluster) -> None:
    assert "No such option" in cluster.run("up", "--nonsense", check=2).err
    assert "no model 'digit'" in cluster.run("scale", "digit=2", check=2).err
    assert "did you mean `digits`" in cluster.run("scale", "digit=2", check=2).err
    assert "MODEL=N" in cluster.run("scale", "digits", check=2).err
    cluster.run("drain", "n9", check=2)
    cluster.run("drain", "n1", "--timeout", "soon", check=2)


def test_without_a_terminal_and_without_yes_nothing_is_done(nothing: LocalCluster) -> None:
    ran = nothing.run("up", check=1)
    assert "add --yes, or set DISTCTL_YES=1" in ran.err
    assert untouched(nothing)


def test_a_port_in_use_is_named_with_its_holder_and_nothing_is_changed(nothing: LocalCluster) -> None:
    port = nothing.ports["http"] + 10
    with socket.create_server(("127.0.0.1", port)):
        ran = nothing.up(check=1)
    assert f"{port} (by " in ran.err
    assert "python" in ran.err or "pytest" in ran.err
    assert "nothing was changed" in ran.err
    assert untouched(nothing)


def test_a_node_that_cannot_be_reached_ends_with_4_and_the_rest_is_done(nothing: LocalCluster) -> None:
    nothing.spec["nodes"]["far"] = {
        "address": "127.0.0.1",
        "ssh": {"port": nothing.ports["metrics"] + 36, "user": "nobody"},
        "timeouts": {"connect": "1s"},
        "servers": {"ports": nothing.ports["http"] + 30},
    }
    nothing.write()
    ran = nothing.up(check=4)
    assert "error: far: " in ran.err
    assert "next: distctl doctor --limit far" in ran.err
    nothing.run("infer", "digits")
    del nothing.spec["nodes"]["far"]
    nothing.write()
    nothing.up()


def test_what_fails_on_one_node_ends_with_3_and_the_rest_is_applied(cluster: LocalCluster) -> None:
    cluster.add({"broken": 1})
    cluster.up(check=3)
    del cluster.spec["models"]["broken"]
    cluster.write()
    cluster.up("--prune")
    cluster.nothing_to_do()


def test_two_operators_at_once_with_one_record_one_works_and_the_other_is_told(cluster: LocalCluster) -> None:
    """And with --lease-wait the second one follows."""
    cluster.add({"slow": 2})
    with cluster.begin("up", "-y") as first:
        assert first.stderr is not None
        first.stderr.readline()
        refused = cluster.up(check=5)
        waited = cluster.up("--lease-wait", "60s")
        first.communicate(timeout=60)
    assert first.returncode == 0
    assert "has been changing this cluster for" in refused.err
    assert ": up by " in refused.err
    assert "waiting for the lease" in waited.err
    assert "Nothing to do" in waited.err


def second_record(cluster: LocalCluster) -> dict[str, str]:
    """The options of an operator with the same inventory and another record."""
    other = cluster.folder / "elsewhere"
    other.mkdir(exist_ok=True)
    file = other / "cluster.yaml"
    file.write_text(cluster.file.read_text())
    return {"file": str(file)}


def test_a_second_record_takes_over_and_duplicates_and_undrains_nothing(cluster: LocalCluster) -> None:
    """A fresh checkout: the nodes tell it everything. The first record is then refused."""
    cluster.run("drain", "n1", "-m", "a new disk")
    processes = [cluster.process(node) for node in cluster.nodes]
    file = second_record(cluster)["file"]
    ran = cluster.run("up", "-y", "-i", file)
    assert "Nothing to do" in ran.err
    assert [cluster.process(node) for node in cluster.nodes] == processes
    seen = cluster.json("status", "-i", file)
    intent = next(n for n in seen["nodes"] if n["node"] == "n1")["intent"]
    assert intent["draining"]
    assert intent["why"] == "a new disk"
    cluster.run("undrain", "n1", "-i", file)
    cluster.run("undrain", "n1")
    cluster.nothing_to_do()


def owner_of(cluster: LocalCluster, place: str) -> dict[str, str]:
    """What a place's owner file says."""
    text = (cluster.root(place) / "owner").read_text()
    return dict(line.split("=", 1) for line in text.splitlines())


def steps_of(cluster: LocalCluster, file: str) -> list[dict[str, Any]]:
    """The steps of the last plan that was carried out with a record."""
    found: list[dict[str, Any]] = cluster.json("events", "--steps", "-i", file)["steps"]
    return found


def test_two_operators_at_once_with_two_records_never_both_change_a_node(cluster: LocalCluster) -> None:
    """One does all of it. The other is told once, by whom and when, and has begun nothing; or it came after
    the end and found nothing to do. Either record then knows all that was done.
    """
    cluster.add({"simple": 2})
    files = (str(cluster.file), second_record(cluster)["file"])
    before = [steps_of(cluster, file) for file in files]
    generation = int(owner_of(cluster, "n1")["generation"])
    with (
        cluster.begin("up", "-y", "-i", files[0]) as first,
        cluster.begin("up", "-y", "-i", files[1]) as second,
    ):
        ran = [(p.pid, Ran(0, *p.communicate(timeout=120))) for p in (first, second)]
    codes = (first.returncode, second.returncode)
    assert sorted(codes) in ([0, 5], [0, 0]), ran
    changed = [number for number in (0, 1) if steps_of(cluster, files[number]) != before[number]]
    assert len(changed) == 1, ran
    (winner,) = changed
    assert codes[winner] == 0, ran
    assert {step["state"] for step in steps_of(cluster, files[winner])} == {"done"}
    other = ran[1 - winner][1].err
    if codes[1 - winner]:
        assert other.count("error: ") == 1, other
        assert "another run took the node over" in other or "from another record" in other, other
        assert other.count("next: ") == 1, other
        assert "distctl doctor" not in other, other
    else:
        assert "Nothing to do" in other, other
    for place in ("n1", "n2", "local"):
        owner = owner_of(cluster, place)
        assert int(owner["generation"]) == generation + 1, owner
        assert f":{ran[winner][0]}/" in owner["run"], owner
        assert float(owner["until"]) == 0.0, owner
    for file in files:
        assert "Nothing to do" in cluster.run("up", "-y", "-i", file).err
    cluster.nothing_to_do()
    del cluster.spec["models"]["simple"]
    cluster.write()
    cluster.up("--prune")


def test_a_damaged_record_is_refused_and_left_as_it_is(cluster: LocalCluster) -> None:
    (record,) = (cluster.folder / ".distctl").glob("*.db")
    kept = record.read_bytes()
    aside = list(record.parent.glob(record.name + "-*"))
    sidecars = {p: p.read_bytes() for p in aside}
    try:
        for path in aside:
            path.unlink()
        record.write_bytes(b"damaged" * 1000)
        ran = cluster.up(check=1)
        assert str(record) in ran.err
        assert "Traceback" not in ran.err
        assert "next: " in ran.err
        assert record.read_bytes() == b"damaged" * 1000
    finally:
        record.write_bytes(kept)
        for path, content in sidecars.items():
            path.write_bytes(content)
    cluster.nothing_to_do()


def test_a_lost_record_is_rebuilt_from_nodes_and_routers(cluster: LocalCluster) -> None:
    processes = [cluster.process(node) for node in cluster.nodes]
    for path in (cluster.folder / ".distctl").iterdir():
        path.unlink()
    with cluster.load("digits:http", "digits:grpc") as load:
        ran = cluster.up()
    load.report.require_whole()
    assert "Nothing to do" in ran.err
    assert [cluster.process(node) for node in cluster.nodes] == processes


def test_a_saved_plan_is_carried_out_exactly_or_refused_with_8(cluster: LocalCluster, tmp_path: Path) -> None:
    """The first plan is overtaken by an `up`; the second is carried out."""
    saved = tmp_path / "plan.json"
    cluster.spec["models"]["digits"]["replicas"] = 1
    cluster.write()
    cluster.run("plan", "--detailed-exitcode", check=20)
    cluster.run("plan", "--save", str(saved))
    cluster.up()
    moved = cluster.run("up", "-y", "--plan", str(saved), check=8)
    assert f"the cluster changed since {saved} was saved" in moved.err
    assert f"distctl plan --save {saved}" in moved.err
    cluster.spec["models"]["digits"]["replicas"] = 2
    cluster.write()
    moved = cluster.run("up", "-y", "--plan", str(saved), check=8)
    assert f"the inventory changed since {saved} was saved" in moved.err
    cluster.run("plan", "--save", str(saved))
    cluster.run("up", "-y", "--plan", str(saved))
    cluster.nothing_to_do()


def test_down_leaves_nothing_and_says_so_the_second_time() -> None:
    with local_cluster(models={"digits": 2}) as cluster:
        cluster.up()
        cluster.run("down", check=1)  # nobody can be asked
        cluster.nothing_to_do()
        cluster.run("down", "-y")
        wait_until(lambda: untouched(cluster), "nothing is left")
        assert "Nothing to do" in cluster.run("down", "-y").err
        cluster.run("status", "--check", check=1)
