"""A record that was lost, or is new, is rebuilt from what the nodes and routers carry.

The nodes have the last word: a record that has never changed this cluster takes over the id, generation and
intents of the owner files, the replicas that servers hold and the states that routers give their slots.
Thus a fresh checkout duplicates nothing and undrains nothing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields

from distctl.cluster.record import (
    Adopt,
    Change,
    Intent,
    Record,
    Replica,
    SetIntent,
    SetReplica,
    SetRouter,
    SetSized,
    Sized,
)
from distctl.cluster.router import SlotState
from distctl.cluster.snapshot import ModelState, Owner, Snapshot
from distctl.cluster.spec import ServerId, Spec
from distctl.errors import ForeignNode, NodeLocked

CAUTION = (SlotState.OFF, SlotState.READY, SlotState.DRAIN)
FIELDS = {field.name for field in fields(Intent)}


def adoption(spec: Spec, record: Record, snapshot: Snapshot, *, adopt: bool = False) -> list[Change]:
    """The changes that bring a record to what the nodes carry; none when it is theirs already. Pure.

    Raises ForeignNode for a node of another cluster, and for one that another record has changed unless this
    record is new or `adopt` says that the operator means it.
    """
    owners = {name: sight.owner for name, sight in snapshot.nodes.items() if sight.owner}
    for name, owner in owners.items():
        if owner.cluster != spec.cluster:
            raise ForeignNode(
                name,
                "compare the owner file",
                f"it belongs to the cluster {owner.cluster!r}, not to {spec.cluster!r}",
                hint="take the node out of one of the two inventories, or run `distctl down` with the other",
            )
    foreign = {name: owner for name, owner in sorted(owners.items()) if owner.record != record.id}
    newest = max(owners.values(), key=lambda o: o.generation, default=None)
    if newest is None:
        return []
    if not foreign:
        newer = newest.generation > record.generation
        return [Adopt(record.id, newest.generation), *_carried(spec, snapshot, [newest])] if newer else []
    if not adopt and (record.generation > 0 or len({owner.record for owner in foreign.values()}) > 1):
        raise _refusal(foreign)
    several = sorted(foreign.values(), key=lambda o: o.generation)
    taken = Adopt(several[-1].record, newest.generation)
    return [taken, *_carried(spec, snapshot, several)]


def _refusal(foreign: Mapping[str, Owner]) -> ForeignNode:
    """Why nodes are not taken over unless somebody means it."""
    records: dict[str, tuple[str, Owner]] = {}
    for name, owner in foreign.items():
        records.setdefault(owner.record, (name, owner))
    whose = ", ".join(f"{name} to that of {owner.by}" for name, owner in records.values())
    first, owner = next(iter(foreign.items()))
    return ForeignNode(
        first,
        "compare the owner file",
        f"another record changed it last, by {owner.by}"
        if len(records) == 1
        else f"the nodes belong to {len(records)} records: {whose}",
        hint="`distctl up --adopt` takes over what the nodes carry; be sure that nobody else is at work",
    )


def adopted(record: Record, snapshot: Snapshot) -> dict[str, str]:
    """Nodes that still name another record than this one, and which: the next claim takes them over."""
    owners = {name: sight.owner for name, sight in snapshot.nodes.items() if sight.owner}
    return {name: owner.record for name, owner in sorted(owners.items()) if owner.record != record.id}


def abandoned(record: Record, snapshot: Snapshot) -> list[str]:
    """Nodes that this record's last run has claimed and never let go: it was killed, or sleeps."""
    owners = {name: sight.owner for name, sight in sorted(snapshot.nodes.items()) if sight.owner}
    return [name for name, owner in owners.items() if owner.record == record.id and owner.until > 0]


def refuse_at_work(
    record: Record, snapshot: Snapshot, *, ended: Callable[[str], bool] = lambda _run: False
) -> None:
    """Raise NodeLocked while somebody with another record, or another copy of this one, changes the nodes.

    The lease keeps apart those who share a record; these meet on the nodes alone. A claim that was not let go
    counts for as long as it says, unless its run is known to have `ended`. One from the future says that
    clocks differ, and is left to the fence.
    """
    for name, sight in sorted(snapshot.nodes.items()):
        owner = sight.owner
        if owner is None or (owner.record == record.id and owner.generation <= record.generation):
            continue
        if owner.at <= snapshot.at < owner.until and not ended(owner.run):
            raise NodeLocked(
                name,
                "compare the owner file",
                f"{owner.by} has been changing this cluster for {snapshot.at - owner.at:.0f} s, from another"
                f" record (the claim runs out in {owner.until - snapshot.at:.0f} s)",
                hint="wait for it to end, then run the command again",
            )


def _carried(spec: Spec, snapshot: Snapshot, owners: Iterable[Owner]) -> list[Change]:
    """What nodes, servers and routers say of themselves; of several owners the last one has the last word."""
    replicas = _replicas(spec, snapshot)
    return [
        *(SetIntent(intent) for owner in owners for intent in intents(owner)),
        *(SetRouter(router.id) for router in snapshot.routers.values() if router.running),
        *replicas,
        *_sized(spec, replicas, snapshot.at),
    ]


def _sized(spec: Spec, replicas: Iterable[SetReplica], now: float) -> Iterator[SetSized]:
    """As many replicas as there are stay wanted where demand decides: nothing leaves for a lost record."""
    found = Counter(change.replica.model for change in replicas)
    why = "as many as there were when the record was made anew"
    for model in spec.models:
        if model.autoscale and (number := found[model.name]):
            yield SetSized(Sized(model.name, number, number, why, now))


def intents(owner: Owner) -> list[Intent]:
    """The intents that an owner file carries; what a newer distctl added to them is left out."""
    try:
        found = json.loads(owner.intents or "[]")
        return [Intent(**{k: v for k, v in item.items() if k in FIELDS}) for item in found]
    except (ValueError, TypeError, AttributeError):
        return []


def uncarried(record: Record, snapshot: Snapshot) -> list[str]:
    """Nodes whose owner files are to be written so that a lost record gets its intents back; often none.

    Those that do not carry what was said of themselves; one of them is enough to carry the rest.
    """
    owners = {name: sight.owner for name, sight in sorted(snapshot.nodes.items()) if sight.owner}
    newest = max(owners.values(), key=lambda o: o.generation, default=None)
    if newest is None or newest.intents == intents_text(record):
        return []
    carried = {name: {i.node: i for i in intents(owner)}.get(name) for name, owner in owners.items()}
    stale = [name for name in owners if carried[name] != record.intents.get(name)]
    return stale or list(owners)[:1]


def intents_text(record: Record) -> str:
    """The intents of a record as an owner file carries them: JSON on one line."""
    items = [
        {
            "node": i.node,
            "cordoned": i.cordoned,
            "draining": i.draining,
            "stopped": i.stopped,
            "why": i.why,
            "by": i.by,
            "since": i.since,
        }
        for _, i in sorted(record.intents.items())
    ]
    return json.dumps(items, ensure_ascii=True)


def _replicas(spec: Spec, snapshot: Snapshot) -> list[SetReplica]:
    """What servers hold, with the slot states that routers agree on. Of external ones, the spec's models."""
    models = {model.name for model in spec.models}
    external = {node.name for node in spec.nodes if node.external}
    states = _slot_states(snapshot)
    found = []
    for server in spec.servers:
        for model, digest in sorted(_contents(snapshot, server.id).items()):
            if server.id.node not in external or model in models:
                state = states.get((server.id, model), SlotState.OFF)
                found.append(SetReplica(Replica(server.id, model, digest, state)))
    return found


def _contents(snapshot: Snapshot, server: ServerId) -> dict[str, str]:
    """The models that a server is meant to have or has, with the content that runs, "" if nobody knows.

    On a node whose last change was cut a link may name another content than the one that was loaded.
    """
    node = snapshot.nodes.get(server.node)
    sight = snapshot.servers.get(server)
    cut = node is not None and node.owner is not None and node.owner.until > 0
    loaded = {m for m, r in sight.replicas.items() if r.state is ModelState.READY} if sight else set()
    linked = {m: d for (owner, m), d in node.links.items() if owner == server.server} if node else {}
    return dict.fromkeys(loaded, "") | {m: "" if cut else digest for m, digest in linked.items()}


def _slot_states(snapshot: Snapshot) -> dict[tuple[ServerId, str], SlotState]:
    """The state of each slot; where routers differ, draining before ready before off."""
    found: dict[tuple[ServerId, str], SlotState] = {}
    for router in snapshot.routers.values():
        for model, server, sight in router.slots:
            known = found.get((server, model), SlotState.OFF)
            found[server, model] = max(known, sight.state, key=CAUTION.index)
    return found
