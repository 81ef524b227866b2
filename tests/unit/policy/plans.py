"""What the tests of plans share: a cluster that runs, and what a plan says."""

from __future__ import annotations

from dataclasses import replace

from rehearsal import Operator, model, node, spec

from distctl.cluster.spec import Node, ServerId
from distctl.policy.plan import Plan

A, B, C = ServerId("a", "0"), ServerId("b", "0"), ServerId("c", "0")


def running(digits: int = 2, xray: int = 0, *, nodes: str = "abc", more: tuple[Node, ...] = ()) -> Operator:
    models = [model("digits", digits)] + ([model("xray", xray)] if xray else [])
    operator = Operator(spec([*(node(name) for name in nodes), *more], models))
    operator.up()
    return operator


def said(plan: Plan) -> list[tuple[str, str]]:
    """Each step and why."""
    return [(step.operation.text, step.why) for step in plan.steps]


def texts(plan: Plan) -> list[str]:
    return [step.operation.text for step in plan.steps]


def waits(plan: Plan, text: str, for_text: str) -> bool:
    """Whether a step waits for another one, at once or by others."""
    by_text = {step.operation.text: step for step in plan.steps}
    open_, found = set(by_text[text].needs), set()
    while open_:
        number = open_.pop()
        found.add(number)
        open_ |= plan.steps[number - 1].needs - found
    return by_text[for_text].number in found


def drain(operator: Operator) -> Plan:
    return operator.drain("a")


def node_b_left(operator: Operator) -> None:
    operator.spec = replace(operator.spec, nodes=tuple(n for n in operator.spec.nodes if n.name != "b"))
