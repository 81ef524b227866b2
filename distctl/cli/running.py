"""What every changing command does alike: show the plan, ask, carry it out, recap, and end with a code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from distctl.cli.options import Format
from distctl.cli.output import (
    confirm,
    document,
    note,
    places,
    plan_document,
    plan_lines,
    problem,
    say,
    wants_json,
)
from distctl.cli.voice import NORMAL, STEPS, level, trace_lines

if TYPE_CHECKING:
    from distctl.adapters.tracing import Trace
    from distctl.app.change import Prepared
    from distctl.app.errands import Request
    from distctl.app.leasing import Keeper
    from distctl.app.session import Session
    from distctl.cluster.record import Change
    from distctl.control.execute import Outcome


@contextmanager
def opened(inventory: Path | None) -> Iterator[Session]:
    """The cluster of an inventory, found and opened; its connections are closed at the end."""
    from distctl.app.compose import open_session

    how = level()

    def tell(trace: Trace) -> None:
        for line in trace_lines(trace, how):
            say(line, "dim")

    def warn(text: str) -> None:
        note(f"warning: {text}", "yellow")

    with open_session(inventory, warn=warn, tell=tell if how >= STEPS else None) as session:
        session.needs.say = note
        yield session


def narrowed(session: Session, prepared: Prepared, limit: str) -> Prepared:
    """The plan with only the nodes that --limit names, and the routers' places among them."""
    from dataclasses import replace

    from distctl.policy.limit import limited

    if limit == "*":
        return prepared
    return replace(prepared, plan=limited(prepared.plan, set(session.select([limit]))))


def seconds(text: str | None) -> float | None:
    """A duration such as 15m in seconds; None stays None. Raises InputError."""
    if text is None:
        return None
    from distctl.config.units import duration
    from distctl.errors import InputError

    try:
        return 0.0 if text == "0" else duration(text)
    except ValueError as error:
        raise InputError(f"{text!r}: {error}", hint="write a duration such as 90s, 15m or 1h") from error


def change(
    session: Session,
    keeper: Keeper,
    prepared: Prepared,
    *,
    what: str,
    output: Format,
    yes: bool,
    force: bool = False,
    drain_seconds: float | None = None,
    max_failures: int = 1_000_000,
    intents: Sequence[Change] = (),
) -> tuple[Outcome, ...]:
    """Show a plan, ask, carry it out. Raises Refused, DistctlError when the prompt was declined.

    `intents` are written once nobody declined, and before anything is done.
    """
    from distctl.app.change import Manner, carry_intents, carry_out
    from distctl.app.preconditions import refuse
    from distctl.cli.progress import Progress
    from distctl.errors import DistctlError

    plan = prepared.plan
    if not wants_json(output) and (level() >= NORMAL or not yes):
        plan_lines(plan)
    if plan.empty:
        carry_intents(session, keeper, prepared)
        return ()
    refuse(session, prepared, force=force)
    if not confirm(f"Proceed on {session.spec.cluster} ({places(len(plan.nodes))})?", yes=yes):
        raise DistctlError("declined; no changes were made")
    session.store.commit(keeper.lease.token, intents)
    with Progress() as progress:
        return carry_out(
            session,
            keeper,
            prepared,
            watch=progress.watch,
            what=what,
            manner=Manner(max_failures, force, drain_seconds),
        )


def fulfil(
    session: Session, keeper: Keeper, prepared: Prepared, request: Request, output: Format
) -> tuple[Outcome, ...]:
    """Show the plan of a wish and have it carried out: see `errands.carried`."""
    from distctl.app.errands import carried
    from distctl.cli.progress import Progress

    if not wants_json(output) and level() >= NORMAL:
        plan_lines(prepared.plan)
    with Progress() as progress:
        return carried(session, keeper, prepared, request, watch=progress.watch, say=note)


def finish(kind: str, prepared: Prepared, outcomes: Sequence[Outcome], output: Format, **extra: Any) -> None:
    """Recap per node, every failure with what to do next, one JSON document if wanted; ends with the code."""
    from distctl.policy.verdict import Tally, exit_code

    found = [*prepared.troubles, *(outcome.error for outcome in outcomes if outcome.error)]
    errors = list({error.message: error for error in found}.values())  # many steps may say the same
    told = {error.message for error in errors}
    done = sum(outcome.state.value == "done" for outcome in outcomes)
    unreachable = len(prepared.plan.skipped)
    code = exit_code(Tally(done, errors, unreachable))
    if wants_json(output):
        document(
            kind,
            {**extra, "exit_code": code, "plan": plan_document(prepared), "nodes": _nodes(outcomes)},
        )
    elif outcomes:
        _recap(outcomes)
    for skip in prepared.plan.skipped:
        if skip.why in told:
            continue
        note(f"error: {skip.text}", "bold red")
        note(f"next: {skip.hint or f'distctl doctor --limit {skip.node}'}")
    for error in errors:
        problem(error)
    raise typer.Exit(code)


def _nodes(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    places = sorted({outcome.step.operation.node for outcome in outcomes})
    return [
        {
            "node": place,
            "steps": [
                {
                    "number": o.step.number,
                    "text": o.step.operation.text,
                    "outcome": o.state.value,
                    "seconds": round(o.seconds, 3),
                    "detail": o.detail,
                }
                for o in outcomes
                if o.step.operation.node == place
            ],
        }
        for place in places
    ]


def _recap(outcomes: Sequence[Outcome]) -> None:
    for place in sorted({outcome.step.operation.node for outcome in outcomes}):
        states = [o.state.value for o in outcomes if o.step.operation.node == place]
        counts = " ".join(f"{word}={states.count(word)}" for word in ("done", "failed", "skipped"))
        note(f"{place:<12} : {counts}", "red" if "failed" in states else "green")
