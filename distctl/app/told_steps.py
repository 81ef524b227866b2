"""Steps that somebody else carries out, and what became of them, as the record tells of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from distctl import errors
from distctl.cluster.record import OperationEntry, OperationState
from distctl.control.execute import Outcome, State
from distctl.errors import DistctlError
from distctl.policy.operations import Operation, Sign
from distctl.policy.plan import PlannedStep

STATES = {
    OperationState.PLANNED: State.RUNNING,
    OperationState.RUNNING: State.RUNNING,
    OperationState.DONE: State.DONE,
    OperationState.FAILED: State.FAILED,
    OperationState.SKIPPED: State.SKIPPED,
}


@dataclass(frozen=True, slots=True)
class ToldOperation:
    """An operation of which only the words are known."""

    node: str
    text: str
    sign: Sign = Sign.UPDATE


def outcome_of(entry: OperationEntry, number: int, error: DistctlError | None = None) -> Outcome:
    """What became of a step by its entry in the journal; `number` is the one that it is shown with."""
    node, _, text = entry.what.partition(": ")
    # Whoever watches asks an operation for its words alone.
    operation = cast("Operation", ToldOperation(node, text))
    seconds = max(0.0, entry.ended - entry.started) if entry.started and entry.ended else 0.0
    step = PlannedStep(number, operation, "")
    return Outcome(step, STATES[entry.state], seconds, entry.outcome, error)


@dataclass(frozen=True, slots=True)
class Tale:
    """What the journal does not tell of an errand: errors, of steps (by `PLAN:NUMBER`) and of the whole."""

    steps: Mapping[str, DistctlError]
    whole: DistctlError | None = None

    @property
    def text(self) -> str:
        """As JSON."""
        whole = None if self.whole is None else _document(self.whole)
        return json.dumps({"steps": {key: _document(e) for key, e in self.steps.items()}, "whole": whole})

    def error(self, plan: str, number: int) -> DistctlError | None:
        """Why a step failed, or what it left out."""
        return self.steps.get(f"{plan}:{number}")


def tale(text: str) -> Tale:
    """From JSON, "" for one that has not begun."""
    found = json.loads(text) if text else {"steps": {}, "whole": None}
    steps = {key: _error(document) for key, document in found["steps"].items()}
    return Tale(steps, None if found["whole"] is None else _error(found["whole"]))


def _document(error: DistctlError) -> dict[str, Any]:
    output = list(getattr(error, "output", ()))
    return {"kind": type(error).__name__, "message": error.message, "hint": error.hint, "output": output}


def _error(document: Mapping[str, Any]) -> DistctlError:
    """An error of the same kind, with all that is shown of it; of a kind that is not known here, any."""
    kind = getattr(errors, document["kind"], DistctlError)
    error = cast("DistctlError", kind.__new__(kind))
    DistctlError.__init__(error, document["message"], hint=document["hint"])
    error.output = tuple(document["output"])  # type: ignore[attr-defined]
    return error
