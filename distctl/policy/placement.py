"""Which model goes to which server.

The rule, for now: what is placed stays; labels are honoured. A new replica goes to the node that has the
fewest of its model, so that a node's death takes as few as can be, there to the server with the fewest
replicas; then the inventory's order decides. Where there are too many, those that do not answer leave first,
then those beside another one on their node, then the least busy, then those on the fullest servers. Memory
joins the rule when it is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from distctl.cluster.spec import ModelSpec, Node, ServerId, Spec

Place = tuple[ServerId, str]  # a model in a server
NOWHERE: frozenset[Place] = frozenset()
NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ground:
    """What placement finds.

    `existing` is where replicas are placed now, `outside` what external servers run by themselves: those
    count, and are never placed or taken away by us. `answering` is what answers, whoever placed it. On
    nodes that are `draining` nothing serves; `cordoned`, `off` and `unreachable` ones get no new replica, nor
    do servers that are `lost`, whose devices are not there. What is on servers that are `gone` is placed
    elsewhere, as far as there is room. `busy` is what each has in flight and queued.
    """

    existing: frozenset[Place] = NOWHERE
    outside: frozenset[Place] = NOWHERE
    answering: frozenset[Place] = NOWHERE
    draining: frozenset[str] = NONE
    cordoned: frozenset[str] = NONE
    unreachable: frozenset[str] = NONE
    off: frozenset[str] = NONE
    lost: frozenset[ServerId] = frozenset()
    gone: frozenset[ServerId] = frozenset()
    busy: Mapping[Place, int] = field(default_factory=dict)

    def closed(self, node: str) -> bool:
        """Whether a node gets no new replica."""
        return any(node in some for some in (self.draining, self.cordoned, self.unreachable, self.off))


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


def barred(model: ModelSpec, node: Node, server: ServerId, ground: Ground) -> str:
    """Why a server gets no new replica of a model, as `its node is cordoned`; "" where it may."""
    lacking = [
        f"{key}={value}" for key, value in sorted(model.where.items()) if node.labels.get(key) != value
    ]
    reasons = (
        (bool(lacking), f"its node has no label {', '.join(lacking)}"),
        (node.external, "it runs by itself, and nothing is placed there"),
        (node.name in ground.draining, "its node is drained"),
        (node.name in ground.cordoned, "its node is cordoned"),
        (node.name in ground.off, "its node is turned off"),
        (node.name in ground.unreachable, "its node is not reached"),
        (server in ground.lost, "it is without its GPU"),
        (server in ground.gone, "it is gone"),
    )
    return next((why for holds, why in reasons if holds), "")


def place(spec: Spec, wanted: Mapping[str, int], ground: Ground) -> Placement:
    """Place every model of the spec, `wanted` replicas of each."""
    ours = frozenset(server.id for node in spec.nodes if not node.external for server in node.servers)
    crowd = Counter(server for server, _ in ground.existing)
    load = Counter[ServerId]()
    serving: set[Place] = set()
    resting: set[Place] = set()
    shortages = []
    for model in spec.models:
        eligible = _eligible(spec, model)
        open_ = [server for server in eligible if server.node not in ground.draining]
        resting |= {(s, model.name) for s in set(eligible) - set(open_) if (s, model.name) in ground.existing}
        chosen = _keep(model.name, wanted[model.name], open_, ground, crowd)
        load.update(chosen)
        added = _add(wanted[model.name] - len(chosen), [s for s in open_ if s in ours], chosen, ground, load)
        left = _left(wanted[model.name] - len(chosen) - len(added), model.name, open_, ground)
        placed = [*chosen, *added, *left]
        load.update([*added, *left])
        serving |= {(server, model.name) for server in placed}
        if len(placed) < wanted[model.name]:
            why = _why_short(model, eligible, ground)
            shortages.append(Shortage(model.name, wanted[model.name], len(placed), why))
    return Placement(frozenset(serving), frozenset(resting), tuple(shortages))


def _eligible(spec: Spec, model: ModelSpec) -> list[ServerId]:
    return [server.id for node in spec.nodes if fits(model, node) for server in node.servers]


def _keep(
    model: str, wanted: int, servers: list[ServerId], ground: Ground, crowd: Mapping[ServerId, int]
) -> list[ServerId]:
    """What stays where it is: external ones always, ours up to the count. The sort keeps the given order."""
    outside = [s for s in servers if (s, model) in ground.outside]
    ours = [
        s
        for s in servers
        if (s, model) in ground.existing and (s, model) not in ground.outside and s not in ground.gone
    ]
    silent = {s for s in ours if (s, model) not in ground.answering}
    idle = {s: (s in silent, -ground.busy.get((s, model), 0), crowd[s]) for s in ours}
    rank = _ranks(ours, [s.node for s in outside], lambda s: idle[s])
    ours.sort(key=lambda s: (s in silent, rank[s], idle[s]))
    return outside + ours[: max(0, wanted - len(outside))]


def _add(
    missing: int,
    servers: list[ServerId],
    chosen: list[ServerId],
    ground: Ground,
    load: Mapping[ServerId, int],
) -> list[ServerId]:
    """New replicas on open servers that have none of this model yet: emptiest nodes first, then servers."""
    taken = {*chosen, *ground.lost, *ground.gone}
    free = [s for s in servers if s not in taken and not ground.closed(s.node)]
    rank = _ranks(free, [s.node for s in chosen], lambda s: load[s])
    return sorted(free, key=lambda s: (rank[s], load[s]))[: max(0, missing)]


def _left(missing: int, model: str, servers: list[ServerId], ground: Ground) -> list[ServerId]:
    """What stays on servers that are gone, since there is no room elsewhere: it serves again once they do."""
    return [s for s in servers if s in ground.gone and (s, model) in ground.existing][: max(0, missing)]


def _ranks(
    servers: Iterable[ServerId], before: Iterable[str], order: Callable[[ServerId], Any]
) -> dict[ServerId, int]:
    """How many replicas of a model are on a server's node before it, when each node is filled in an order.

    `before` names the node of each replica that is there already.
    """
    count = Counter(before)
    ranks = {}
    for server in sorted(servers, key=order):
        ranks[server] = count[server.node]
        count[server.node] += 1
    return ranks


def _why_short(model: ModelSpec, eligible: list[ServerId], ground: Ground) -> str:
    nodes = sorted({server.node for server in eligible})
    closed = [node for node in nodes if node in ground.draining or node in ground.cordoned]
    lost = sorted(str(server) for server in ground.lost.intersection(eligible))
    off = [node for node in nodes if node in ground.off]
    away = [node for node in nodes if node in ground.unreachable - ground.off]
    asked = ", ".join(f"{key}={value}" for key, value in sorted(model.where.items()))
    number = len(eligible)
    what = ("1 server fits" if number == 1 else f"{number} servers fit") + (f" {asked}" if asked else "")
    what += f"; closed to new replicas: {', '.join(closed)}" if closed else ""
    what += f"; without their GPU: {', '.join(lost)}" if lost else ""
    what += f"; turned off: {', '.join(off)}" if off else ""
    return what + (f"; not reachable: {', '.join(away)}" if away else "")
