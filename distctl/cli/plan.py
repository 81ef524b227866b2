"""`distctl plan`: say what `up` would do, and do nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from distctl.cli.options import Format, InventoryFile, Limit, Output

if TYPE_CHECKING:
    from distctl.app.change import Prepared

PENDING = 20


def plan(
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
    limit: Limit = "*",
    prune: Annotated[bool, typer.Option(help="Also plan to remove what left the file.")] = False,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit 20 when there is something to do.")
    ] = False,
    save: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--save", help="Write the plan to a file for `up --plan`.", show_default=False),
    ] = None,
) -> None:
    """Say what `up` would change and why. Takes no lease and changes nothing."""
    from distctl.app.change import prepare
    from distctl.app.saved import save_plan
    from distctl.cli.output import document, note, plan_document, plan_lines, wants_json
    from distctl.cli.running import narrowed, opened

    with opened(inventory) as session:
        prepared = narrowed(session, prepare(session, prune=prune, fresh=True), limit)
        if wants_json(output):
            document("plan", plan_document(prepared))
        else:
            plan_lines(prepared.plan)
            _limits(session)
            _images(prepared)
        if save is not None:
            save_plan(save, session, prepared)
            note(f"saved: carry it out with `distctl up --plan {save}`")
        pending = not prepared.plan.empty
        unreachable = bool(prepared.plan.skipped)
    raise typer.Exit(PENDING if detailed_exitcode and pending else 4 if unreachable else 0)


def _images(prepared: Prepared) -> None:
    from distctl.cli.output import note
    from distctl.policy.images import told

    for text in sorted({told(image) for image in prepared.wish.images.values()}):
        note(text, "dim")


def _limits(session: object) -> None:
    from distctl.app.session import Session
    from distctl.cli.output import note
    from distctl.policy.times import request_times

    if isinstance(session, Session):
        found = {node.timeouts for node in session.spec.nodes}
        pulls = any(node.contained for node in session.spec.nodes)
        for limit in sorted(found, key=lambda t: (t.connect, t.start, t.load, t.drain, t.pull)):
            note(
                f"time-outs: connect {limit.connect:g} s, start {limit.start:g} s, "
                f"load {limit.load:g} s, drain {limit.drain:g} s" + f", pull {limit.pull:g} s" * pulls,
                "dim",
            )
        for line in request_times(session.spec.models):
            note(line, "dim")
