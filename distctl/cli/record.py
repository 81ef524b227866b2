"""`distctl record`: the record itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from distctl.cli.options import InventoryFile

app = typer.Typer(help="The record of the cluster.", no_args_is_help=True)

Source = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--from", help="The file to copy; absent: the one beside the inventory.", dir_okay=False),
]


@app.callback()
def _record() -> None:
    """The record of the cluster."""


@app.command("copy")
def copy(source: Source = None, inventory: InventoryFile = None) -> None:
    """Copy the record from a file to where `store:` says now, with history, keys and pins."""
    from distctl.app.record_copy import copy_record
    from distctl.cli.output import note
    from distctl.cli.running import opened

    with opened(inventory) as session:
        left = copy_record(session, source)
        note(f"the record was copied; the old file is {left} now, and is used no more")
