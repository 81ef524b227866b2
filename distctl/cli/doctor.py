"""`distctl doctor`: everything that `up` would stumble on, with its remedy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from distctl.cli.options import Format, InventoryFile, Limit, Output

if TYPE_CHECKING:
    from distctl.app.examination import Finding

COLOURS = {"ok": None, "warn": "yellow", "fail": "red"}


def doctor(
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
    limit: Limit = "*",
    offline: Annotated[bool, typer.Option("--offline", help="Only validate the file.")] = False,
) -> None:
    """Look at every node for what `up` would stumble on, and say what to do about it."""
    from distctl.app.compose import read_inventory
    from distctl.app.examination import examine
    from distctl.cli.output import document, note, wants_json
    from distctl.cli.running import opened

    if offline:
        found = read_inventory(inventory)
        note(f"{found.file}: valid: {len(found.spec.nodes)} nodes, {len(found.spec.models)} models", "green")
        for node in found.spec.nodes:
            if node.per_device:
                note(f"{node.name}: servers: {node.per_device}; known after the first look")
        return
    with opened(inventory) as session:
        findings = examine(session, session.select([limit]))
    failed = any(f.level == "fail" for f in findings)
    if wants_json(output):
        items = [{"node": f.node, "level": f.level, "what": f.what, "remedy": f.remedy} for f in findings]
        document("doctor", {"findings": items, "healthy": not failed})
    else:
        _lines(findings)
    unreachable = any(f.unreachable for f in findings)
    raise typer.Exit(4 if unreachable else 1 if failed else 0)


def _lines(findings: Sequence[Finding]) -> None:
    """One line for each finding and one for what to do; no column, since remedies are sentences."""
    width = max((len(f.node) for f in findings), default=0)
    for finding in findings:
        typer.secho(f"{finding.node:<{width}}  {finding.level:<4}  {finding.what}", fg=COLOURS[finding.level])
        if finding.remedy:
            typer.echo(f"{'':<{width}}        next: {finding.remedy}")
