"""The backends of a router's view: which of them say the same slots, and which one of those is checked.

A group is one set of slots that several backends hold. The first backend carries the health checks and
takes the commands of the socket; the others track it, so that one command moves them all. There is one
group for each pool and one, `any`, for the requests that name no model.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from distctl.cluster.router import Pool, RouterView, Slot, SlotState
from distctl.cluster.spec import ServerId
from distctl.commands.haproxy.kinds import KINDS, kinds_of
from distctl.errors import RouterError

SUFFIXES = frozenset(kind.suffix for kind in KINDS)
LARGEST_ID = 2**31 - 1  # HAProxy's own bound for a server's id
ANY = ("any:r", "any:g")  # a model's name has no colon, so no model can be called like these
NAME = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Group:
    """Backends over the same slots. `model` is empty for `any`.

    Each server of a `limited` backend takes `limit` requests at once.
    """

    model: str
    checked: str  # the backend whose servers HAProxy checks
    tracking: tuple[str, ...]
    slots: tuple[Slot, ...]
    limited: tuple[str, ...] = ()
    limit: int = 0

    @property
    def backends(self) -> tuple[str, ...]:
        """Every backend of the group, the checked one first."""
        return (self.checked, *self.tracking)


def groups_of(view: RouterView) -> tuple[Group, ...]:
    """The groups of a view: `any` first, then the pools in the view's order.

    Raises RouterError for a model or server whose name HAProxy cannot take.
    """
    return (_any(view), *(_group(pool) for pool in view.pools))


def model_of(backend: str) -> str | None:
    """The model that a backend of a pool serves; None for a backend that is not a pool's."""
    model, mark, suffix = backend.rpartition("_")
    return model if mark and f"_{suffix}" in SUFFIXES else None


def server_of(slot: str) -> ServerId:
    """The server whose slot is called so; names of servers contain no dot."""
    node, _, server = slot.rpartition(".")
    return ServerId(node, server)


def ids_of(view: RouterView) -> Mapping[str, int]:
    """A number for each slot's name that stays when others come and go.

    Sequences are kept by it over a reload, and the places on the ring of consistent hashing follow from it.
    """
    found: dict[str, int] = {}
    taken: set[int] = set()
    for name in sorted({slot.server.slot for pool in view.pools for slot in pool.slots}):
        number = zlib.crc32(name.encode()) % LARGEST_ID + 1
        while number in taken:
            number = number % LARGEST_ID + 1
        taken.add(number)
        found[name] = number
    return found


def _group(pool: Pool) -> Group:
    for name in (pool.model, *(name for s in pool.slots for name in (s.server.node, s.server.server))):
        if not NAME.fullmatch(name):
            raise RouterError(f"{name!r} cannot be a name in HAProxy: letters, digits, '.', '_' and '-' only")
    if dotted := next((s.server.server for s in pool.slots if "." in s.server.server), None):
        raise RouterError(f"server {dotted!r} cannot have a dot in its name: it ends the node's in a slot's")
    first, *rest = (pool.model + kind.suffix for kind in kinds_of(pool))
    if pool.admission is None:
        return Group(pool.model, first, tuple(rest), pool.slots)
    limited = tuple(pool.model + kind.suffix for kind in kinds_of(pool) if kind.counted)
    return Group(pool.model, first, tuple(rest), pool.slots, limited, pool.admission.concurrency)


def _any(view: RouterView) -> Group:
    """Each server once, in the best state that any of its slots has."""
    best: dict[ServerId, Slot] = {}
    order = (SlotState.OFF, SlotState.DRAIN, SlotState.READY)
    for slot in (slot for pool in view.pools for slot in pool.slots):
        known = best.setdefault(slot.server, slot)
        state = max(known.state, slot.state, key=order.index)
        best[slot.server] = replace(known, state=state, weight=100)
    return Group("", ANY[0], ANY[1:], tuple(best[server] for server in sorted(best)))
