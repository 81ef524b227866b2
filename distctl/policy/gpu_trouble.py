"""GPUs that their driver gave up: their node gets no new replica until somebody has looked.

What runs is left as it is: a model that computes on another GPU of the node loses nothing. What a look did
not list is no evidence (see `devices`); here count the driver's own words alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

from distctl.cluster.gpu import Gpu, devices, xids
from distctl.cluster.record import Intent, SetIntent
from distctl.cluster.spec import Node
from distctl.policy.decision import Decision, Seen
from distctl.policy.mass import too_many

# The Xids after which a GPU needs a reset, a reboot or another card: see `facts.xids`.
GRAVE = {
    48: "uncorrectable memory error",
    62: "its controller halted",
    64: "bad memory could not be marked",
    79: "fell off the bus",
    95: "memory error that may have touched every process",
    119: "its system processor does not answer",
    120: "its system processor failed",
}
RECENT = 24 * 3600.0  # seconds: an older one was seen, or the GPU has worked since
BY = "controller"


@dataclass(frozen=True, slots=True)
class Cordons:
    """For what each node was cordoned: an operator who ended that is not overruled for the same."""

    told: Mapping[str, str] = field(default_factory=dict)


def cordon(before: Cordons, seen: Seen) -> tuple[Cordons, list[Decision]]:
    """Cordon the nodes whose GPUs have grave trouble. Pure.

    Not where it would close more nodes than can be believed at once: a new driver that complains everywhere.
    """
    nodes = [node for node in seen.spec.nodes if node.serves and not node.external]
    found = {n.name: why for n in nodes if (why := trouble(n, seen.record.facts.get(n.name, {})))}
    told = {name: why for name, why in before.told.items() if name in found}
    new = {name: why for name, why in found.items() if name not in told}
    if seen.busy or too_many(len(new), len(nodes), seen.spec.healing.share):
        return before, []
    decisions = [_decision(name, why, seen) for name, why in new.items() if name not in seen.record.intents]
    return Cordons({**told, **new}), decisions


def _decision(node: str, why: str, seen: Seen) -> Decision:
    intent = Intent(node, cordoned=True, why=why, by=BY, since=seen.now)
    return Decision(node, f"{node} gets no new replica: {why}", (SetIntent(intent),))


def trouble(node: Node, facts: Mapping[str, str]) -> str:
    """The gravest of what a node's driver says of the GPUs that its servers use, "" for nothing grave."""
    used = [gpu for gpu in devices(facts) if _used(node, gpu)]
    listed = {gpu.pci.rpartition(".")[0] for gpu in devices(facts)}
    ours = {gpu.pci.rpartition(".")[0]: f"GPU {gpu.index}" for gpu in used}
    return next(chain(_said(used), _logged(facts, listed, ours)), "")


def _used(node: Node, gpu: Gpu) -> bool:
    names = {str(gpu.index), gpu.uuid, *(device.uuid for device in gpu.mig)}
    return any(server.gpus is None or names & set(server.gpus) for server in node.servers)


def _said(gpus: list[Gpu]) -> Iterator[str]:
    for gpu in gpus:
        if gpu.trouble:
            yield f"GPU {gpu.index}: {gpu.trouble}"
        if "failed" in gpu.errors.remap:
            yield f"GPU {gpu.index}: its memory could not be repaired"


def _logged(facts: Mapping[str, str], listed: set[str], ours: Mapping[str, str]) -> Iterator[str]:
    """Recent grave Xids, also of a card that is listed no more; not those of GPUs that no server uses."""
    for place, errors in xids(facts).items():
        for xid in errors:
            if xid.number in GRAVE and xid.age <= RECENT and (place in ours or place not in listed):
                yield f"{ours.get(place, f'the card at {place}')}: Xid {xid.number}, {GRAVE[xid.number]}"
