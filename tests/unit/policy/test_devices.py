"""Which devices the servers of a node get: numbers that last, whatever one look says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distctl.cluster.spec import Connection, Node, PerDevice, ServerId, Spec, nth_server
from distctl.policy.devices import (
    GPUS,
    MIGS,
    assigned,
    divided,
    lost,
    with_devices,
    with_servers,
    without_device,
)

PLAIN = Node("n", Connection.LOCAL, "n", "10.0.0.1")
PER_GPU = replace(PLAIN, per_device=PerDevice("gpu", 9000))
NONE = {"gpus": "0"}


def listed(*uuids: str) -> dict[str, str]:
    """Facts of a node whose nvidia-smi lists these GPUs."""
    facts = {f"gpu.{index}.uuid": uuid for index, uuid in enumerate(uuids)}
    return {"gpus": str(len(uuids)), **facts}


def after(*looks: Mapping[str, str]) -> dict[str, str]:
    """The facts after some looks, one after the other."""
    facts: dict[str, str] = {}
    for look in looks:
        facts = with_devices(facts, look)
    return facts


TABLE: list[tuple[str, list[Mapping[str, str]], str]] = [
    ("the first look numbers as nvidia-smi does", [listed("GPU-a", "GPU-b")], "GPU-a GPU-b"),
    ("another order changes nothing", [listed("GPU-a", "GPU-b"), listed("GPU-b", "GPU-a")], "GPU-a GPU-b"),
    ("a device that is gone keeps its number", [listed("GPU-a", "GPU-b"), listed("GPU-b")], "GPU-a GPU-b"),
    ("no answer takes nothing away", [listed("GPU-a", "GPU-b"), NONE], "GPU-a GPU-b"),
    ("nor does one without facts of GPUs", [listed("GPU-a"), {}], "GPU-a"),
    ("one that comes back has its number", [listed("GPU-a", "GPU-b"), NONE, listed("GPU-b")], "GPU-a GPU-b"),
    ("a new one is added", [listed("GPU-a"), listed("GPU-x", "GPU-a")], "GPU-a GPU-x"),
    (
        "an exchanged card has the number of the old one",
        [listed("GPU-a", "GPU-b"), listed("GPU-x", "GPU-b")],
        "GPU-x GPU-b",
    ),
    (
        "of two that are gone the first is replaced",
        [listed("GPU-a", "GPU-b", "GPU-c"), listed("GPU-b", "GPU-x")],
        "GPU-x GPU-b GPU-c",
    ),
    ("one that cannot tell its name yet leaves a gap", [{"gpus": "1", "gpu.1.uuid": "GPU-b"}], "- GPU-b"),
    (
        "which it fills when it can",
        [{"gpus": "1", "gpu.1.uuid": "GPU-b"}, listed("GPU-a", "GPU-b")],
        "GPU-a GPU-b",
    ),
]


@pytest.mark.parametrize(("looks", "table"), [c[1:] for c in TABLE], ids=[c[0] for c in TABLE])
def test_devices_keep_their_numbers(looks: list[Mapping[str, str]], table: str) -> None:
    assert after(*looks)[GPUS] == table


UUIDS = st.lists(st.sampled_from(["GPU-a", "GPU-b", "GPU-c", "GPU-d"]), unique=True)


@given(st.lists(UUIDS, min_size=1, max_size=6))
def test_whoever_is_listed_has_a_number_and_no_number_ever_goes(looks: list[list[str]]) -> None:
    """Of any course of looks: whoever is listed is in the table once, and who stays listed stays put."""
    facts: dict[str, str] = {}
    for look in looks:
        before = facts.get(GPUS, "").split()
        facts = with_devices(facts, listed(*look))
        table = facts.get(GPUS, "").split()
        assert set(look) <= set(table)
        assert len(set(table)) == len(table) >= len(before)
        assert all(table[n] == uuid for n, uuid in enumerate(before) if uuid in look)
        assert with_devices(facts, listed(*look)) == facts


def test_a_server_for_each_gpu_is_named_after_its_number() -> None:
    servers = with_servers(PER_GPU, after(listed("GPU-a", "GPU-b"))).servers
    assert [(str(s.id), s.http_port, s.metrics_port, s.gpus) for s in servers] == [
        ("n/0", 9000, 9002, ("GPU-a",)),
        ("n/1", 9010, 9012, ("GPU-b",)),
    ]
    assert servers[0].host == "10.0.0.1"


def test_servers_that_a_node_has_already_stay_with_the_devices_of_now() -> None:
    before = with_servers(PER_GPU, after(listed("GPU-a")))
    other = nth_server("n", "h", 7000, 5)
    now = with_servers(replace(before, servers=(*before.servers, other)), after(listed("GPU-x", "GPU-y")))
    assert [(s.id.server, s.gpus) for s in now.servers] == [("0", ("GPU-x",)), ("1", ("GPU-y",)), ("5", None)]


def test_a_gap_is_no_server() -> None:
    facts = after({"gpus": "1", "gpu.1.uuid": "GPU-b"})
    assert [s.id.server for s in with_servers(PER_GPU, facts).servers] == ["1"]
    chosen = with_servers(replace(PLAIN, servers=(nth_server("n", "h", 9000, 0, ("0",)),)), facts)
    assert chosen.servers[0].gpus == ("0",)
    assert "there is no GPU 0" in lost(chosen, facts)[ServerId("n", "0")]


def test_nothing_is_known_of_a_node_that_nobody_has_seen() -> None:
    assert with_servers(PER_GPU, {}).servers == ()
    assert without_device(PER_GPU, {}) == ""
    assert "nvidia-smi lists no GPU" in without_device(with_servers(PER_GPU, NONE), NONE)


def test_numbers_become_uuids_and_what_sees_all_goes_on_seeing_all() -> None:
    servers = tuple(
        nth_server("n", "h", 9000, n, gpus) for n, gpus in enumerate([("1", "0"), None, (), ("7",)])
    )
    spec = Spec("c", (replace(PLAIN, servers=servers),))
    found = assigned(spec, {"n": after(listed("GPU-a", "GPU-b"))})
    assert [s.gpus for s in found.servers] == [("GPU-b", "GPU-a"), None, (), ("7",)]
    assert assigned(spec, {}) == spec


def test_a_server_is_lost_when_its_device_is_not_listed() -> None:
    servers = tuple(
        nth_server("n", "h", 9000, n, g) for n, g in enumerate([("0",), ("1",), ("5",), None, ()])
    )
    facts = after(listed("GPU-a", "GPU-b"), listed("GPU-b"))
    node = with_servers(replace(PLAIN, servers=servers), facts)
    assert lost(node, facts) == {
        ServerId("n", "0"): "nvidia-smi does not list its GPU-a",
        ServerId("n", "2"): "there is no GPU 5: nvidia-smi lists 1",
    }
    assert lost(node, {}) == {}


def cut(*gpus: int) -> dict[str, str]:
    """Facts of a node whose GPUs are divided by MIG into so many devices each."""
    facts = listed(*(f"GPU-{gpu}" for gpu in range(len(gpus))))
    for gpu, parts in enumerate(gpus):
        facts[f"gpu.{gpu}.mig"] = "enabled"
        facts |= {f"gpu.{gpu}.mig.{part}.uuid": f"MIG-{gpu}{part}" for part in range(parts)}
    return facts


def test_mig_devices_are_numbered_through_the_node() -> None:
    """Those of some GPUs alone keep their numbers, and a whole GPU that is divided is told of."""
    facts = after(cut(2, 2))
    assert facts[MIGS] == "0:MIG-00 0:MIG-01 1:MIG-10 1:MIG-11"
    every = with_servers(replace(PLAIN, per_device=PerDevice("mig", 9000)), facts)
    assert [(s.id.server, s.gpus) for s in every.servers][2:] == [("2", ("MIG-10",)), ("3", ("MIG-11",))]
    second = with_servers(replace(PLAIN, per_device=PerDevice("mig", 9000, (1,))), facts)
    assert second.servers == every.servers[2:]
    assert lost(every, facts) == {}
    assert divided(every, facts) == {}
    whole = with_servers(PER_GPU, facts)
    assert divided(whole, facts)[ServerId("n", "1")].startswith("its GPU 1 is divided by MIG")


def test_parts_that_are_cut_anew_take_the_numbers_of_the_old_ones() -> None:
    before = cut(3)
    facts = after(before, {**cut(2), "gpu.0.mig.0.uuid": "MIG-x", "gpu.0.mig.1.uuid": "MIG-y"})
    assert facts[MIGS] == "0:MIG-x 0:MIG-y 0:MIG-02"
    node = with_servers(replace(PLAIN, per_device=PerDevice("mig", 9000)), facts)
    assert list(lost(node, facts)) == [ServerId("n", "2")]


def test_a_gpu_in_trouble_is_not_to_be_had() -> None:
    facts = after({**listed("GPU-a"), "gpu.0.trouble": "GPU is lost"})
    assert lost(with_servers(PER_GPU, facts), facts) == {ServerId("n", "0"): "its GPU-a: GPU is lost"}
