"""Everything that is printed. stdout is for results, stderr for everything else.

Tables have upper-case headers and no borders; JSON is one document with a schema version. Without a
terminal there is no prompt, no colour and no moving line.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import typer

from distctl.cli.options import Format
from distctl.cli.voice import NORMAL, level

if TYPE_CHECKING:
    from rich.console import Console

    from distctl.app.change import Prepared
    from distctl.errors import DistctlError
    from distctl.policy.plan import Plan

SCHEMA_VERSION = 1


def console(*, stderr: bool = False) -> Console:
    """A rich console for one of the two streams; wide and plain where there is no terminal."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else 200, highlight=False, soft_wrap=True)


def document(kind: str, body: Mapping[str, Any]) -> None:
    """One JSON document on stdout."""
    whole = {
        "schema_version": SCHEMA_VERSION,
        "kind": kind,
        "generated_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **body,
    }
    typer.echo(json.dumps(whole, indent=2, ensure_ascii=False, sort_keys=False, default=str))


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on stdout."""
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        grid.add_column(column.upper(), no_wrap=True)
    for row in rows:
        grid.add_row(
            *(cell if isinstance(cell, Text) else Text(str(cell), style=_style(cell)) for cell in row)
        )
    console().print(grid, soft_wrap=False)


STATES = {
    "ready": "green",
    "running": "green",
    "draining": "yellow",
    "cordoned": "yellow",
    "loading": "yellow",
    "starting": "yellow",
    "unreachable": "red",
    "stopped": "red",
    "failed": "red",
    "wrong": "red",
    "no": "red",
}


def _style(cell: object) -> str:
    return STATES.get(str(cell).partition(" ")[0], "")


def note(text: str, style: str = "") -> None:
    """A line on stderr, for those who did not ask for quiet."""
    if level() >= NORMAL:
        say(text, style)


def say(text: str, style: str = "") -> None:
    """A line on stderr, whatever was asked for."""
    console(stderr=True).print(text, style=style or None, markup=False)


def problem(error: DistctlError) -> None:
    """An error as a user reads it: what happened, the last lines that the node said, what to do next."""
    say(f"error: {error.message}", "bold red")
    for line in getattr(error, "output", ()):
        say(f"  | {line}", "dim")
    if error.hint:
        say(f"next: {error.hint}")


def confirm(question: str, *, yes: bool) -> bool:
    """Ask on stderr. Without a terminal and without --yes it is an error, not a guess."""
    from distctl.errors import DistctlError

    if yes:
        return True
    if not sys.stdin.isatty():
        raise DistctlError(
            "nobody can be asked: standard input is no terminal", hint="add --yes, or set DISTCTL_YES=1"
        )
    return typer.confirm(question, err=True)


def plan_lines(plan: Plan) -> None:
    """A plan on stdout: one line for each step with its node and its reason."""
    styles = {"+": "green", "~": "yellow", "-": "red"}
    out = console()
    for step in plan.steps:
        sign, text, node = step.operation.sign.value, step.operation.text, step.operation.node
        where = "" if node in text else f" on {node}"
        out.print(f"{sign} {text}{where}", style=styles[sign], end="", markup=False)
        out.print(f"  ({step.why})", style="dim", markup=False)
    for text in plan.notes:
        out.print(f"note: {text}", style="yellow", markup=False)
    for skip in plan.skipped:
        out.print(f"left alone: {skip.text}", style="red", markup=False)
    signs = [step.operation.sign.value for step in plan.steps]
    out.print(
        f"Plan: {signs.count('+')} to add, {signs.count('~')} to update, {signs.count('-')} to remove "
        f"on {places(len(plan.nodes))}.",
        markup=False,
    )


def places(number: int) -> str:
    """How many, in words."""
    return f"{number} place{'' if number == 1 else 's'}"


def plan_document(prepared: Prepared) -> dict[str, Any]:
    """A plan as JSON, with the images of nodes that run containers; one not known yet has no digest."""
    plan = prepared.plan
    return {
        "steps": [
            {
                "number": step.number,
                "operation": type(step.operation).__name__,
                "sign": step.operation.sign.value,
                "node": step.operation.node,
                "text": step.operation.text,
                "why": step.why,
                "needs": sorted(step.needs),
            }
            for step in plan.steps
        ],
        "notes": list(plan.notes),
        "skipped": [{"subject": skip.subject, "why": skip.why} for skip in plan.skipped],
        "interrupts": list(plan.interrupts),
        "images": [
            {
                "node": node,
                "image": str(pin.image),
                "digest": pin.digest or None,
                "source": pin.source or None,
            }
            for node, pin in sorted(prepared.wish.images.items())
        ],
    }


def ago(then: float, now: float | None = None) -> str:
    """How long ago an instant was, in a word such as 4m; "-" for never."""
    if not then:
        return "-"
    seconds = max(0, int((now if now is not None else time.time()) - then))
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit} ago"
    return f"{seconds}s ago"


def wants_json(output: Format) -> bool:
    """Whether stdout is to carry one JSON document."""
    return output is Format.JSON
