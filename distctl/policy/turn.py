"""One turn of the controller: every policy is asked once, with what it remembers and what was seen.

A policy is a pure function `(memory, seen) -> (memory, decisions)` on a value of its own, which stands as a
field of `Memory`. What it remembers is lost with the process, and nothing may depend on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from distctl.cluster.record import Record
from distctl.policy import upkeep as keeping
from distctl.policy.autoscale.turn import Scaling, autoscale
from distctl.policy.decision import Decision, Ended, Seen


@dataclass(frozen=True, slots=True)
class Memory:
    """What policies remember from one turn to the next: one field for each."""

    upkeep: keeping.Upkeep = field(default_factory=keeping.Upkeep)
    scaling: Scaling = field(default_factory=Scaling)


def turn(memory: Memory, seen: Seen) -> tuple[Memory, tuple[Decision, ...]]:
    """What is to be done now, each with its reason, and what is remembered. Pure; called for each look."""
    kept, due = keeping.upkeep(memory.upkeep, seen)
    scaling, counts = autoscale(memory.scaling, seen)
    return replace(memory, upkeep=kept, scaling=scaling), (*due, *counts)


def ended(memory: Memory, record: Record, decisions: Sequence[Decision], how: Ended) -> Memory:
    """What is remembered once the pass for some decisions has ended. `record` is that of the decisions."""
    return replace(memory, upkeep=keeping.ended(memory.upkeep, record, decisions, how))
