"""Turning nodes off and on: what the inventory says of it, and how far it has come."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from distctl.cluster.names import SecretRef

Instant = float  # seconds since the epoch


@dataclass(frozen=True, slots=True)
class PowerSpec:
    """How a node is turned on and off: commands, with their arguments, that run where the controller does.

    `{node}` and `{address}` in an argument become the node's. `environment` are secrets by the name of the
    variable that the commands find them in. A node that serves nothing for `idle_for` seconds is turned off;
    one that was turned on has `boot` seconds to come.
    """

    on: tuple[str, ...]
    off: tuple[str, ...]
    environment: Mapping[str, SecretRef] = field(default_factory=dict)
    idle_for: float = 1800.0
    boot: float = 300.0


class PowerState(str, Enum):
    """How far a node is. STOPPING and BOOTING are begun and not confirmed."""

    ON = "on"
    STOPPING = "turning off"
    OFF = "off"
    BOOTING = "turning on"


CONTROLLER = "controller"  # who a decision is by that nobody gave by hand
SHUT = (PowerState.STOPPING, PowerState.OFF)


@dataclass(frozen=True, slots=True)
class Power:
    """What was decided of a node's power, since when and why.

    `used` and `saved` are the seconds for which it was on and off before `since`; `tries` counts the attempts
    in a row to turn it on that failed.
    """

    node: str
    state: PowerState = PowerState.ON
    since: Instant = 0.0
    why: str = ""
    by: str = ""
    used: float = 0.0
    saved: float = 0.0
    tries: int = 0

    @property
    def shut(self) -> bool:
        """Whether it is off on purpose, or on its way there."""
        return self.state in SHUT

    @property
    def said(self) -> str:
        """Its state in words: since when, by whom, and why."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(self.since))
        by = f", by {'the ' if self.by == CONTROLLER else ''}{self.by}" if self.by else ""
        return f"{self.state.value} since {stamp}{by}" + (f": {self.why}" if self.why else "")

    def turned(self, state: PowerState, now: Instant, why: str, by: str, *, tries: int = 0) -> Power:
        """The same node in another state from now on; the time until now is counted."""
        counted = self.counted(now)
        return replace(counted, state=state, since=now, why=why, by=by, tries=tries)

    def counted(self, now: Instant) -> Power:
        """With `used` and `saved` up to now. Only what is certainly off counts as saved."""
        passed = max(0.0, now - self.since)
        if self.state is PowerState.OFF:
            return replace(self, saved=self.saved + passed)
        return replace(self, used=self.used + passed)
