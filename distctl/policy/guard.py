"""What a change would take from clients: models that would be left without a replica that answers."""

from __future__ import annotations

from distctl.cluster.record import Record
from distctl.cluster.router import SlotState
from distctl.policy.wish import Wish


def bereft(wish: Wish, record: Record) -> tuple[str, ...]:
    """Models that have a serving replica now, are wanted, and would have none once the wish is fulfilled."""
    serving_now = {r.model for r in record.replicas if r.slot is SlotState.READY}
    serving_then = {model for _, model in wish.placement.serving}
    wanted = {name for name, count in wish.counts.items() if count.number > 0}
    return tuple(sorted((serving_now & wanted) - serving_then))
