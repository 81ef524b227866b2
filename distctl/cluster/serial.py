"""Which changes count up the record's serial, by which others notice that something was said."""

from __future__ import annotations

from collections.abc import Iterable

from distctl.cluster.record import AddEvent, AddHour, AddLoad, Change, SetFacts, SetHealth, SetOperation

# What was seen or done, as against what is wanted: a controller writes these every second itself.
OBSERVED = (AddEvent, AddHour, AddLoad, SetFacts, SetHealth, SetOperation)

# What stands in histories of its own: no part of what is read as the record.
BESIDE = (AddEvent, AddHour, AddLoad, SetOperation)


def counts(changes: Iterable[Change]) -> bool:
    """Whether a commit of these changes counts up the serial: any of them is more than an observation."""
    return any(not isinstance(change, OBSERVED) for change in changes)


def alters(changes: Iterable[Change]) -> bool:
    """Whether after a commit of these changes the record reads otherwise: it has a new edition then."""
    return any(not isinstance(change, BESIDE) for change in changes)
