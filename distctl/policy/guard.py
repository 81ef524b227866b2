"""What a change would take from clients: models that would be left without a replica that answers."""

from __future__ import annotations

from distctl.cluster.record import Record
from distctl.cluster.router import SlotState
from distctl.cluster.snapshot import Snapshot
from distctl.policy.wish import Wish, answering, unreachable


def bereft(wish: Wish, record: Record, snapshot: Snapshot) -> tuple[str, ...]:
    """Models that are served now, are wanted, and would have no replica once the wish is fulfilled.

    A replica counts when it answers, or when its node can be reached, so that it will before others leave.
    """
    answers = answering(snapshot)
    ready = {place for place, replica in record.places.items() if replica.slot is SlotState.READY}
    serving_now = {model for _, model in ready & answers}
    away = unreachable(wish.spec, snapshot)
    serving_then = {
        model
        for server, model in wish.placement.serving
        if (server, model) in answers or (server.node not in away and server not in wish.lost)
    }
    return tuple(sorted(model for model in serving_now - serving_then if wish.wants(model)))
