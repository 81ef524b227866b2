"""What a node's servers are, by what `servers` says of number and GPUs."""

from __future__ import annotations

from pathlib import Path

import pytest

from distctl.cluster.spec import Node, PerDevice
from distctl.config import load

Gpus = tuple[str, ...] | None


def node(folder: Path, servers: str, more: str = "") -> Node:
    file = folder / "c.yaml"
    file.write_text(f"version: 1\ncluster: c\nnodes: {{n: {{servers: {servers}}}}}\n{more}")
    return load(file).spec.node("n")


TABLE: list[tuple[str, list[tuple[str, int, Gpus]]]] = [
    ("{}", [("0", 9000, None)]),
    ("{gpus: all}", [("0", 9000, None)]),
    ("{gpus: none}", [("0", 9000, ())]),
    ("{gpus: [1]}", [("0", 9000, ("1",))]),
    ("{gpus: [0, 3]}", [("0", 9000, ("0", "3"))]),
    ("{gpus: [[0, 3]]}", [("0", 9000, ("0", "3"))]),
    ("{per: 2, gpus: all}", [("0", 9000, None), ("1", 9010, None)]),
    ("{per: 2, gpus: none}", [("0", 9000, ()), ("1", 9010, ())]),
    ("{per: 2, gpus: [1, 0]}", [("0", 9000, ("1",)), ("1", 9010, ("0",))]),
    ("{per: 2, gpus: [0, 0]}", [("0", 9000, ("0",)), ("1", 9010, ("0",))]),
    ("{per: 2, gpus: [[0, 1], [2, 3]]}", [("0", 9000, ("0", "1")), ("1", 9010, ("2", "3"))]),
    ("{per: 2, gpus: [GPU-a, MIG-b]}", [("0", 9000, ("GPU-a",)), ("1", 9010, ("MIG-b",))]),
    ("{per: gpu, gpus: [2, 0], ports: 7000}", [("0", 7000, ("0",)), ("2", 7020, ("2",))]),
]


@pytest.mark.parametrize(("said", "servers"), TABLE, ids=[said for said, _ in TABLE])
def test_number_and_gpus_say_what_each_server_sees(
    tmp_path: Path, said: str, servers: list[tuple[str, int, Gpus]]
) -> None:
    found = node(tmp_path, said)
    assert [(s.id.server, s.http_port, s.gpus) for s in found.servers] == servers
    assert found.per_device is None
    assert found.serves


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("{per: gpu}", PerDevice("gpu", 9000)),
        ("{per: gpu, gpus: all, ports: 7000}", PerDevice("gpu", 7000)),
        ("{per: mig}", PerDevice("mig", 9000)),
        ("{per: mig, gpus: [1]}", PerDevice("mig", 9000, (1,))),
    ],
)
def test_one_server_for_each_device_waits_for_a_look(tmp_path: Path, said: str, wanted: PerDevice) -> None:
    found = node(tmp_path, said)
    assert (found.servers, found.per_device) == ((), wanted)
    assert found.serves


def test_replicas_are_not_counted_against_servers_that_are_not_known(tmp_path: Path) -> None:
    models = "models: {m: {source: 'node:/m', replicas: 8}}\n"
    assert node(tmp_path, "{per: gpu}", models).per_device == PerDevice("gpu", 9000)


def test_a_node_may_choose_what_its_group_divides(tmp_path: Path) -> None:
    """The choice of the node and the number of the group are taken together."""
    file = tmp_path / "c.yaml"
    file.write_text(
        "version: 1\ncluster: c\ngroups: {a: {servers: {per: gpu}}}\n"
        "nodes: {m: {groups: [a]}, n: {groups: [a], servers: {gpus: [1]}}}\n"
    )
    spec = load(file).spec
    assert spec.node("m").per_device == PerDevice("gpu", 9000)
    assert [s.gpus for s in spec.node("n").servers] == [("1",)]
