"""`distctl events`: what happened, in sentences."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from distctl.cli.options import Format, InventoryFile, Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distctl.cluster.record import OperationEntry


def events(
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
    since: Annotated[str, typer.Option(help="How far back, such as 2h.")] = "24h",
    steps: Annotated[bool, typer.Option("--steps", help="The steps of the last plan instead.")] = False,
    number: Annotated[int, typer.Option("-n", help="At most this many, the newest.", min=1)] = 100,
) -> None:
    """Show what happened: changes, drains, failures, by whom and why."""
    import time

    from distctl.cli.output import document, table, wants_json
    from distctl.cli.running import opened, seconds

    with opened(inventory) as session:
        if steps:
            _steps(session.store.operations(), output)
            return
        found = session.store.events(since=time.time() - (seconds(since) or 0.0), limit=number)
    if wants_json(output):
        items = [
            {"at": e.at, "kind": e.kind, "subject": e.subject, "text": e.text, "by": e.by} for e in found
        ]
        document("events", {"events": items})
        return
    rows = [
        (datetime.fromtimestamp(e.at).strftime("%Y-%m-%d %H:%M:%S"), e.kind, e.subject, e.by, e.text)
        for e in found
    ]
    table(("time", "kind", "subject", "by", "what"), rows)


def _steps(found: Sequence[OperationEntry], output: Format) -> None:
    """What became of each step of the plan that was begun last; one that is running was interrupted."""
    from distctl.cli.output import document, table, wants_json

    if wants_json(output):
        keys = ("plan", "number", "what", "state", "started", "ended", "outcome")
        document("steps", {"steps": [{key: getattr(entry, key) for key in keys} for entry in found]})
        return
    rows = [
        (
            e.number,
            e.state.value,
            f"{e.ended - e.started:.1f} s" if e.started and e.ended else "-",
            e.what,
            e.outcome,
        )
        for e in found
    ]
    table(("step", "state", "took", "what", "outcome"), rows)
