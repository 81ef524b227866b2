"""A part of a plan: only some nodes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from distctl.policy.operations import SetRouterUp
from distctl.policy.plan import Plan


def limited(plan: Plan, nodes: Collection[str]) -> Plan:
    """The steps on these nodes, and those that bring routers up, wherever those are.

    A step that needs one which is left out goes too.
    Steps keep their numbers, so that the part can be compared with the whole.
    """
    kept: dict[int, bool] = {}
    for step in plan.steps:
        wanted = step.operation.node in nodes or isinstance(step.operation, SetRouterUp)
        kept[step.number] = wanted and all(kept[number] for number in step.needs)
    steps = tuple(step for step in plan.steps if kept[step.number])
    left = len(plan.steps) - len(steps)
    notes = (*plan.notes, f"--limit leaves out {left} of {len(plan.steps)} steps") if left else plan.notes
    skipped = tuple(skip for skip in plan.skipped if skip.node in nodes)
    return replace(plan, steps=steps, notes=notes, skipped=skipped)
