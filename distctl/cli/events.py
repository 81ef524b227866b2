"""`distctl events`: what happened, in sentences."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from distctl.cli.options import Format, InventoryFile, Output


def events(
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
    since: Annotated[str, typer.Option(help="How far back, such as 2h.")] = "24h",
    number: Annotated[int, typer.Option("-n", help="At most this many, the newest.", min=1)] = 100,
) -> None:
    """Show what happened: changes, drains, failures, by whom and why."""
    import time

    from distctl.cli.output import document, table, wants_json
    from distctl.cli.running import opened, seconds

    with opened(inventory) as session:
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
