"""`distctl history`: versions of the spec, and what differs between two."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from distctl.cli.options import Format, InventoryFile, Output

if TYPE_CHECKING:
    from distctl.app.session import Session

Number = Annotated[Optional[int], typer.Argument(show_default=False)]  # noqa: UP045


def history(
    older: Number = None,
    newer: Number = None,
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
) -> None:
    """List the versions of the spec; with two numbers, show what differs between them."""
    from distctl.cli.output import document, table, wants_json
    from distctl.cli.running import opened

    with opened(inventory) as session:
        if older is not None:
            _difference(session, older, newer)
            return
        found = session.store.history()
    if wants_json(output):
        items = [{"number": r.number, "at": r.at, "author": r.author, "message": r.message} for r in found]
        document("history", {"revisions": items})
        return
    rows = [
        (r.number, datetime.fromtimestamp(r.at).strftime("%Y-%m-%d %H:%M:%S"), r.author, r.message)
        for r in found
    ]
    table(("revision", "time", "by", "message"), rows)


def _difference(session: Session, older: int, newer: int | None) -> None:
    import difflib
    import json

    from distctl.errors import InputError

    newest = session.store.history(limit=1)
    numbers = (older, newer if newer is not None else (newest[0].number if newest else 0))
    texts = []
    for number in numbers:
        revision = session.store.revision(number)
        if revision is None:
            raise InputError(f"there is no revision {number}", hint="distctl history")
        texts.append(json.dumps(json.loads(revision.document), indent=2).splitlines())
    names = [f"revision {number}" for number in numbers]
    for line in difflib.unified_diff(texts[0], texts[1], names[0], names[1], lineterm=""):
        typer.echo(line)
