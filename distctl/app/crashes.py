"""Crash loops as nodes themselves tell of them, with the last lines of the log: for `status` and `events`.

From here a server that ends as soon as it is started is only dead; its supervisor has counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from distctl.app.session import Session
from distctl.cluster.record import AddEvent, Change, Event, Health, Record, SetHealth
from distctl.cluster.snapshot import Snapshot
from distctl.errors import DistctlError
from distctl.policy.symptoms import CRASHES, Kind, unit_of

LINES = 3
SAYS = "; its log ends: "


def crash_loops(session: Session, record: Record, snapshot: Snapshot) -> Iterator[Change]:
    """What is to be remembered of servers in a crash loop, with an event; nothing that is known already."""
    for server, health in sorted(record.health.items()):
        found = _looping(health, snapshot)
        if found is None:
            continue
        try:
            lines = session.world.node(server.node).tail(f"server-{server.server}", LINES)
        except DistctlError:
            continue  # the pass itself says what is wrong with the node
        reason = found.reason.partition(SAYS)[0] + SAYS + " | ".join(line.strip() for line in lines)
        if reason != health.reason:
            text = f"{found.state}: {reason}"
            yield SetHealth(replace(found, reason=reason))
            yield AddEvent(Event(snapshot.at, "health", str(server), text, session.author))


def _looping(health: Health, snapshot: Snapshot) -> Health | None:
    """The health of a server in a crash loop, None for any other, and where its node was not reached."""
    unit = unit_of(health.server, snapshot)
    if unit is None:
        return None
    if health.state == Kind.DEAD.value and unit.restarts >= CRASHES:
        return replace(health, state=Kind.CRASH_LOOP.value, reason="it ends as soon as it is started")
    return health if health.state == Kind.CRASH_LOOP.value else None
