"""What a node's driver says of its GPUs cordons the node, once, and never all nodes at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from wards import cluster

from distctl.cluster.record import Intent, SetIntent
from distctl.cluster.snapshot import Snapshot
from distctl.facts.verdict import Level
from distctl.facts.xids import MEANINGS, RECENT
from distctl.policy import gpu_trouble
from distctl.policy.decision import Seen
from distctl.policy.gpu_trouble import GRAVE, Cordons, cordon, trouble

GPU = {"gpu.0.uuid": "GPU-a", "gpu.0.name": "L4", "gpu.0.pci": "0000:3b:00.0", "gpus": "1"}
FELL = {**GPU, "gpus.xids": "0000:3b:00=79@120"}


def seen(names: str = "abc", **facts: dict[str, str]) -> Seen:
    spec, record = cluster(names)
    return Seen(spec, replace(record, facts=facts), Snapshot(1000.0))


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({}, ""),
        (GPU, ""),
        (FELL, "GPU 0: Xid 79, fell off the bus"),
        ({**GPU, "gpus.xids": "0000:3b:00=13@5"}, ""),  # a model's own fault
        ({**GPU, "gpus.xids": f"0000:3b:00=79@{RECENT + 1:.0f}"}, ""),
        ({"gpus": "0", "gpus.xids": "0000:3b:00=79@5"}, "the card at 0000:3b:00: Xid 79, fell off the bus"),
        ({**GPU, "gpu.0.trouble": "GPU is lost"}, "GPU 0: GPU is lost"),
        ({**GPU, "gpu.0.remap": "failed"}, "GPU 0: its memory could not be repaired"),
        ({**GPU, "gpu.0.remap": "pending"}, ""),
    ],
)
def test_what_is_grave(facts: dict[str, str], why: str) -> None:
    spec, _ = cluster()
    assert trouble(spec.node("a"), facts) == why


def test_the_trouble_of_a_gpu_that_no_server_uses_is_not_the_nodes() -> None:
    spec, _ = cluster()
    node = spec.node("a")
    other = replace(node, servers=tuple(replace(s, gpus=("GPU-b",)) for s in node.servers))
    assert trouble(other, FELL) == ""


def test_the_grave_xids_are_those_that_doctor_calls_a_failure() -> None:
    assert set(GRAVE) == {number for number, said in MEANINGS.items() if said.level is Level.FAIL}
    assert gpu_trouble.RECENT == RECENT


def test_a_node_is_cordoned_once_with_the_reason() -> None:
    memory, (decision,) = cordon(Cordons(), seen(a=FELL))
    (change,) = decision.changes
    assert isinstance(change, SetIntent)
    assert (change.intent.node, change.intent.cordoned, change.intent.draining) == ("a", True, False)
    assert decision.reason == "a gets no new replica: GPU 0: Xid 79, fell off the bus"
    assert cordon(memory, seen(a=FELL)) == (memory, [])


def test_an_operator_who_ended_it_is_not_overruled() -> None:
    memory, _ = cordon(Cordons(), seen(a=FELL))
    later = {**FELL, "gpus.xids": "0000:3b:00=79@4000"}
    assert cordon(memory, seen(a=later))[1] == []


def test_a_node_that_an_operator_drains_already_is_left_to_him() -> None:
    drained = seen(a=FELL)
    intents = {"a": Intent("a", cordoned=True, draining=True, by="ann@desk")}
    assert cordon(Cordons(), replace(drained, record=replace(drained.record, intents=intents)))[1] == []


def test_a_driver_that_complains_everywhere_closes_nothing() -> None:
    assert cordon(Cordons(), seen(a=FELL, b=FELL)) == (Cordons(), [])


def test_while_a_pass_is_under_way_it_waits() -> None:
    assert cordon(Cordons(), replace(seen(a=FELL), busy=True)) == (Cordons(), [])
