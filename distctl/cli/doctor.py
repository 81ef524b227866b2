"""`distctl doctor`: everything that `up` would stumble on, with its remedy."""

from __future__ import annotations

from typing import Annotated

import typer

from distctl.cli.options import Format, InventoryFile, Limit, Output


def doctor(
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
    limit: Limit = "*",
    offline: Annotated[bool, typer.Option("--offline", help="Only validate the file.")] = False,
) -> None:
    """Look at every node for what `up` would stumble on, and say what to do about it."""
    from distctl.app.compose import read_inventory
    from distctl.app.examination import examine
    from distctl.cli.output import document, note, table, wants_json
    from distctl.cli.running import opened

    if offline:
        found = read_inventory(inventory)
        note(f"{found.file}: valid: {len(found.spec.nodes)} nodes, {len(found.spec.models)} models", "green")
        return
    with opened(inventory) as session:
        findings = examine(session, session.select([limit]))
    failed = any(f.level == "fail" for f in findings)
    if wants_json(output):
        items = [{"node": f.node, "level": f.level, "what": f.what, "remedy": f.remedy} for f in findings]
        document("doctor", {"findings": items, "healthy": not failed})
    else:
        table(("node", "verdict", "what", "remedy"), [(f.node, f.level, f.what, f.remedy) for f in findings])
    unreachable = any(f.unreachable for f in findings)
    raise typer.Exit(4 if unreachable else 1 if failed else 0)
