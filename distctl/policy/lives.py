"""Which places of the routers are to run, and why not the others: what the file, counts and operators say.

What an operator said of one place is an intent under its name (`main@lb01`); a count of places is a pin.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from distctl.cluster.record import Intent, Record
from distctl.cluster.router import RouterSight
from distctl.cluster.snapshot import Snapshot
from distctl.cluster.spec import RouterId, RouterSpec, Spec


class Life(str, Enum):
    """What a router on one place is to do."""

    RUN = "run"
    DRAIN = "drain"  # end once nothing is in flight; its files stay
    STOP = "stop"  # the same, and what was put there goes


@dataclass(frozen=True, slots=True)
class Fate:
    """What a router on one place is to do, and why, "" where the file says it."""

    life: Life = Life.RUN
    why: str = ""


RUN = Fate()


def count_name(router: str) -> str:
    """The name under which the count of a router's places is pinned: no model can be called so."""
    return f"router {router}"


def fates(spec: Spec, record: Record) -> Mapping[RouterId, Fate]:
    """What every router of the file is to do. Places that were drained or stopped do not count as running."""
    return {id: fate for router in spec.routers for id, fate in _fates(router, record)}


def _fates(router: RouterSpec, record: Record) -> Iterable[tuple[RouterId, Fate]]:
    pin = record.pins.get(count_name(router.name))
    left = pin.count if pin else len(router.on)
    for place in router.on:
        id = RouterId(router.name, place)
        if intent := record.intents.get(str(id)):
            yield id, Fate(Life.STOP if intent.stopped else Life.DRAIN, _said(intent))
        elif left > 0:
            left -= 1
            yield id, Fate()
        else:
            yield id, Fate(Life.STOP, f"scaled to {pin.count if pin else 0} of {len(router.on)} places")


def _said(intent: Intent) -> str:
    word = "stopped" if intent.stopped else "drained"
    return f"{word} by {intent.by}" + (f": {intent.why}" if intent.why else "")


def ends(record: Record, spec: Spec, router: RouterId) -> bool:
    """Whether a router is to say that it goes; one that left the file is not, until it is pruned."""
    return fates(spec, record).get(router, RUN).life is not Life.RUN


def gone(fate: Fate, record: Record, router: RouterId, sight: RouterSight | None) -> bool:
    """Whether a router that is not to run needs to be told nothing any more.

    One that nobody reaches counts once an operator has declared it dead: stopped by force.
    """
    if fate.life is Life.RUN:
        return False
    if sight is None or sight.error:
        return router not in record.routers
    return not sight.running


def bereft_routers(spec: Spec, before: Record, after: Record, snapshot: Snapshot) -> tuple[str, ...]:
    """Routers that run now, and would have no place left to run on."""
    running = {router.router for router, sight in snapshot.routers.items() if sight.running}
    lives_then = {r.router for r, fate in fates(spec, after).items() if fate.life is Life.RUN}
    lives_now = {r.router for r, fate in fates(spec, before).items() if fate.life is Life.RUN}
    return tuple(sorted(running & lives_now - lives_then))
