"""One turn of the controller: every policy is asked once, with what it remembers and what was seen.

A policy is a pure function of a value of its own, which stands as a field of `Memory`, and of what was seen.
What it remembers is lost with the process, and nothing may depend on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from distctl.cluster.record import Change, Record
from distctl.policy import errands, healing
from distctl.policy import upkeep as keeping
from distctl.policy.autoscale.turn import Scaling, autoscale
from distctl.policy.decision import Decision, Ended, Seen
from distctl.policy.gpu_trouble import Cordons, cordon
from distctl.policy.power import Idleness, power
from distctl.policy.pressing import Pressing, pressing, urgent


@dataclass(frozen=True, slots=True)
class Memory:
    """What policies remember from one turn to the next: one field for each."""

    upkeep: keeping.Upkeep = field(default_factory=keeping.Upkeep)
    ward: healing.Ward = field(default_factory=healing.Ward)
    scaling: Scaling = field(default_factory=Scaling)
    cordons: Cordons = field(default_factory=Cordons)
    idleness: Idleness = field(default_factory=Idleness)
    pressing: Pressing = field(default_factory=Pressing)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn came to: what is remembered, what is to be done, and what was only noticed.

    `news` are observations: they are written down at once, without a lease and without a pass.
    """

    memory: Memory
    decisions: tuple[Decision, ...] = ()
    news: tuple[Change, ...] = ()


def turn(memory: Memory, seen: Seen) -> Turn:
    """What is to be done now, each with its reason, and what is remembered. Pure; called for each look."""
    knocks, busy = errands.knocks(seen.record, seen.now), seen.busy
    seen = replace(seen, busy=busy or bool(knocks))  # no pass begins before somebody's who wants the lease
    found = healing.visit(memory.ward, seen.spec, seen.record, seen.snapshot)
    kept, due = keeping.upkeep(memory.upkeep, seen, found.needs)
    scaling, counts = autoscale(memory.scaling, seen)
    cordons, closed = cordon(memory.cordons, seen)
    idleness, turned, switched = power(memory.idleness, seen)
    wanted = urgent(found, scaling.waking, {**errands.needs(seen.record), **knocks})
    press = pressing(memory.pressing, wanted, busy=busy, due=lambda s: keeping.due(kept, s, seen.now))
    remembered = Memory(kept, found.ward, scaling, cordons, idleness, press)
    asked = [] if seen.busy else errands.asked(seen.record)
    return Turn(remembered, (*asked, *due, *counts, *closed, *turned), (*found.news, *switched))


def ended(memory: Memory, record: Record, decisions: Sequence[Decision], how: Ended) -> Memory:
    """What is remembered once the pass for some decisions has ended. `record` is that of the decisions."""
    return replace(memory, upkeep=keeping.ended(memory.upkeep, record, decisions, how))
