"""Requests that took two servers with them, remembered as events by whoever looks next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from distctl.cluster.record import AddEvent, Event
from distctl.cluster.snapshot import Snapshot
from distctl.policy.lost import all_lost, new_events

if TYPE_CHECKING:
    from distctl.app.session import Session


def remember_lost(session: Session, snapshot: Snapshot) -> list[Event]:
    """Write an event for each such request that has none; what comes back are those."""
    found = all_lost(snapshot.routers.values())
    if not found:
        return []
    events = new_events(found, session.store.events(since=found[0].at, limit=100_000))
    session.store.commit(None, [AddEvent(event) for event in events])
    return events
