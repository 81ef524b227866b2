"""How sharply a router checks its servers: as fast as the link and the number of slots allow. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from distctl.cluster.router import CheckTimes

# Loopback and one hall: 50 SIGKILLs and 8 SIGSTOPs without a lost request, no false alarm with 256 clients or
# 10 MB bodies. A hang is seen in about half a second.
LAN = CheckTimes()

# Real links: one lost packet costs 0.2 s (the least that TCP waits before it sends again) to 1 s (a lost
# SYN), so a check may take 2 s and a connection 1.2 s before either says that a server is gone.
WAN = CheckTimes(interval=2000, fast=500, timeout=2000, connect=1200)

LAN_ROUND_TRIP = 2.0  # ms; below it a second round trip more cannot be told from load
CHECKS_PER_SECOND = 500.0  # for one router: 2,000 cost 13 percent of a core, so these cost some 3


def check_times(
    round_trip_ms: float | None, slots: int, mode: Literal["auto", "lan", "wan"] = "auto"
) -> CheckTimes:
    """The check times of a router with so many slots.

    `round_trip_ms` is the slowest measured round trip to a server, None when it was not measured: `auto`
    takes that for a wide link, since sharp checks belong to links that were measured. `slots` counts every
    slot of every pool. The interval grows with them so that a router makes at most CHECKS_PER_SECOND.
    """
    measured_near = round_trip_ms is not None and round_trip_ms < LAN_ROUND_TRIP
    base = LAN if mode == "lan" or (mode == "auto" and measured_near) else WAN
    interval = max(base.interval, round(slots * 1000 / CHECKS_PER_SECOND))
    return replace(base, interval=interval)
