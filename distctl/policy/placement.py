"""Which model goes to which server.

The rule, for now: what is placed stays, the server with the fewest replicas is filled first, then the
inventory's order decides; labels are honoured. Memory joins the rule when it is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from distctl.cluster.record import Intent
from distctl.cluster.spec import ModelSpec, Node, ServerId, Spec

Place = tuple[ServerId, str]  # a model in a server


@dataclass(frozen=True, slots=True)
class Shortage:
    """A model that could not get all its replicas, and what stands in the way."""

    model: str
    wanted: int
    placed: int
    why: str


@dataclass(frozen=True, slots=True)
class Placement:
    """Where replicas are wanted. `resting` are on draining nodes: loaded, but taking no requests."""

    serving: frozenset[Place]
    resting: frozenset[Place]
    shortages: tuple[Shortage, ...] = ()


def fits(model: ModelSpec, node: Node) -> bool:
    """Whether a node has every label that the model asks for."""
    return all(node.labels.get(key) == value for key, value in model.where.items())


def place(
    spec: Spec,
    wanted: Mapping[str, int],
    existing: Iterable[Place],
    intents: Mapping[str, Intent],
    found: Iterable[Place] = (),
) -> Placement:
    """Place every model of the spec.

    `existing` is where replicas are placed now, `found` what external servers run by themselves: those
    count, and are never placed or taken away by us.
    """
    now = frozenset(existing)
    outside = frozenset(found)
    external = frozenset(s.id for node in spec.nodes if node.external for s in node.servers)
    load = {server.id: 0 for server in spec.servers}
    serving: set[Place] = set()
    resting: set[Place] = set()
    shortages = []
    for model in spec.models:
        eligible = _eligible(spec, model)
        resting |= {(s, model.name) for s in eligible if (s, model.name) in now and _draining(s, intents)}
        kept = _keep(model.name, wanted[model.name], eligible, now, outside, intents, load)
        missing = wanted[model.name] - len(kept)
        added = _add(model.name, missing, eligible, kept, external, intents, load)
        serving |= kept | added
        for server, _ in added:
            load[server] += 1
        if len(kept | added) < wanted[model.name]:
            why = _why_short(spec, model, intents)
            shortages.append(Shortage(model.name, wanted[model.name], len(kept | added), why))
    return Placement(frozenset(serving), frozenset(resting), tuple(shortages))


def _eligible(spec: Spec, model: ModelSpec) -> list[ServerId]:
    return [server.id for node in spec.nodes if fits(model, node) for server in node.servers]


def _draining(server: ServerId, intents: Mapping[str, Intent]) -> bool:
    intent = intents.get(server.node)
    return intent is not None and intent.draining


def _closed(server: ServerId, intents: Mapping[str, Intent]) -> bool:
    intent = intents.get(server.node)
    return intent is not None and (intent.draining or intent.cordoned)


def _keep(
    model: str,
    wanted: int,
    eligible: list[ServerId],
    now: frozenset[Place],
    outside: frozenset[Place],
    intents: Mapping[str, Intent],
    load: dict[ServerId, int],
) -> set[Place]:
    """What stays where it is: external ones always, ours up to the count, the fullest servers leave first."""
    fixed = {(s, model) for s in eligible if (s, model) in outside and not _draining(s, intents)}
    ours = [
        s for s in eligible if (s, model) in now and (s, model) not in fixed and not _draining(s, intents)
    ]
    order = {server: index for index, server in enumerate(eligible)}
    ours.sort(key=lambda s: (sum(1 for place in now if place[0] == s), order[s]))
    kept = fixed | {(s, model) for s in ours[: max(0, wanted - len(fixed))]}
    for server, _ in kept:
        load[server] += 1
    return kept


def _add(
    model: str,
    missing: int,
    eligible: list[ServerId],
    kept: set[Place],
    outside: frozenset[ServerId],
    intents: Mapping[str, Intent],
    load: Mapping[ServerId, int],
) -> set[Place]:
    """New replicas on open servers of ours that have none of this model yet, the emptiest first."""
    order = {server: index for index, server in enumerate(eligible)}
    free = [s for s in eligible if (s, model) not in kept and s not in outside and not _closed(s, intents)]
    free.sort(key=lambda s: (load[s], order[s]))
    return {(server, model) for server in free[: max(0, missing)]}


def _why_short(spec: Spec, model: ModelSpec, intents: Mapping[str, Intent]) -> str:
    eligible = _eligible(spec, model)
    closed = sorted({s.node for s in eligible if _closed(s, intents)})
    asked = ", ".join(f"{key}={value}" for key, value in sorted(model.where.items()))
    what = f"{len(eligible)} servers fit" + (f" {asked}" if asked else "")
    return what + (f"; closed to new replicas: {', '.join(closed)}" if closed else "")
