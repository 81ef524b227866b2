"""Load of long ago: what an hour came to for one model, on one node and on all of them. Pure, and bounded."""

from __future__ import annotations

from dataclasses import dataclass

from distctl.cluster.snapshot import Instant

HOUR = 3600.0  # seconds
DAY = 24 * HOUR
ALL_NODES = ""  # in the place of a node's name: all of them together
KEPT = 35 * DAY  # of all nodes together: five weeks, so that a day can be held against those before it
KEPT_OF_NODE = 2 * DAY  # of one node: there may be a thousand


@dataclass(frozen=True, slots=True)
class Hour:
    """An hour of a model as far as it was counted, minute by minute; minutes without a request are left out.

    `in_flight` and `queued` are sums of the minutes' means, `most` the requests of its busiest minute.
    """

    model: str
    node: str
    at: Instant  # its begin
    until: Instant  # the begin of the last minute that is in it
    minutes: int = 0
    requests: int = 0
    in_flight: int = 0
    queued: int = 0
    most: int = 0
    most_at: Instant = 0.0

    @property
    def key(self) -> tuple[str, str, Instant]:
        """There is one of each."""
        return self.node, self.model, self.at


def joined(hour: Hour | None, more: Hour) -> Hour:
    """An hour with some minutes more. Those that are in it already change nothing: two may write at once."""
    if hour is None or more.until <= hour.until:
        return hour or more
    busier = more if more.most > hour.most else hour
    return Hour(
        hour.model,
        hour.node,
        hour.at,
        more.until,
        hour.minutes + more.minutes,
        hour.requests + more.requests,
        hour.in_flight + more.in_flight,
        hour.queued + more.queued,
        busier.most,
        busier.most_at,
    )


def oldest(now: Instant) -> tuple[Instant, Instant]:
    """From when on hours are kept: of all nodes together, and of one node."""
    return now - KEPT, now - KEPT_OF_NODE


def lasts(hour: Hour, now: Instant) -> bool:
    """Whether an hour is still kept."""
    together, alone = oldest(now)
    return hour.at >= (together if hour.node == ALL_NODES else alone)
