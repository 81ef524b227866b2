"""Slots that are about to join: checked already, and sent nothing. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from distctl.cluster.router import Pool, RouterView, Slot, SlotState
from distctl.cluster.spec import ServerId

Announced = Collection[tuple[str, ServerId]]  # model and server


def expecting(view: RouterView, announced: Announced) -> RouterView:
    """The view in which slots that are off and announced drain, so that their checks run."""
    if not announced:
        return view
    places = frozenset(announced)
    return replace(view, pools=tuple(_pool(pool, places) for pool in view.pools))


def _pool(pool: Pool, announced: Announced) -> Pool:
    def slot(slot: Slot) -> Slot:
        waits = slot.state is SlotState.OFF and (pool.model, slot.server) in announced
        return replace(slot, state=SlotState.DRAIN) if waits else slot

    return replace(pool, slots=tuple(slot(one) for one in pool.slots))
