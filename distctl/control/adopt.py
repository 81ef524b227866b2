"""A record that was lost, or is new, is rebuilt from what the nodes and routers carry.

The nodes have the last word: a record that has never changed this cluster takes over the id, generation and
intents of the owner files, the replicas that servers hold and the states that routers give their slots.
Thus a fresh checkout duplicates nothing and undrains nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from distctl.cluster.record import Adopt, Change, Intent, Record, Replica, SetIntent, SetReplica, SetRouter
from distctl.cluster.router import RouterSight, SlotState
from distctl.cluster.snapshot import ModelState, Owner, Snapshot
from distctl.cluster.spec import Spec
from distctl.errors import ForeignNode


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
    foreign = {name: owner for name, owner in owners.items() if owner.record != record.id}
    newest = max(owners.values(), key=lambda o: o.generation, default=None)
    if newest is None:
        return []
    if not foreign:
        return _catch_up(record, newest)
    if record.generation > 0 and not adopt:
        name, owner = next(iter(sorted(foreign.items())))
        raise ForeignNode(
            name,
            "compare the owner file",
            f"another record changed it last, by {owner.by}",
            hint="`distctl up --adopt` takes over what the nodes carry; be sure that nobody else is at work",
        )
    newest = max(foreign.values(), key=lambda o: o.generation)
    return [
        Adopt(newest.record, newest.generation),
        *(SetIntent(intent) for intent in intents(newest)),
        *(SetRouter(router.id) for router in snapshot.routers.values() if router.running),
        *_replicas(spec, snapshot),
    ]


def _catch_up(record: Record, newest: Owner) -> list[Change]:
    if newest.generation <= record.generation:
        return []
    return [Adopt(record.id, newest.generation), *(SetIntent(intent) for intent in intents(newest))]


def intents(owner: Owner) -> list[Intent]:
    """The intents that an owner file carries; an unreadable one carries none."""
    try:
        found = json.loads(owner.intents or "[]")
        return [Intent(**item) for item in found]
    except (ValueError, TypeError):
        return []


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
    """What servers hold of the spec's models, with the slot states that routers agree on."""
    found = []
    for server in spec.servers:
        node = snapshot.nodes.get(server.id.node)
        sight = snapshot.servers.get(server.id)
        links = node.links if node else {}
        linked = {model for owner, model in links if owner == server.id.server}
        loaded = {m for m, r in sight.replicas.items() if r.state is ModelState.READY} if sight else set()
        for model in sorted((linked | loaded) & {m.name for m in spec.models}):
            digest = links.get((server.id.server, model), "")
            slot = _slot_state(snapshot.routers.values(), model, server.id)
            found.append(SetReplica(Replica(server.id, model, digest, slot)))
    return found


def _slot_state(routers: Iterable[RouterSight], model: str, server: object) -> SlotState:
    states = {
        sight.state for r in routers for name, owner, sight in r.slots if (name, owner) == (model, server)
    }
    if SlotState.DRAIN in states:
        return SlotState.DRAIN
    return SlotState.READY if SlotState.READY in states else SlotState.OFF
