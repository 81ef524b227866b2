"""`distctl scale`: pin a model's count, or return it to the file."""

from __future__ import annotations

from typing import Annotated

import typer

from distctl.cli import names
from distctl.cli.options import Format, InventoryFile, LeaseWait, Output, Why


def scale(
    wanted: Annotated[
        list[str],
        typer.Argument(metavar="MODEL=N|auto...", help="How many replicas.", autocompletion=names.counts),
    ],
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
    message: Why = "",
    lease_wait: LeaseWait = "0",
) -> None:
    """Set how many replicas models have, kept over `up` until `auto` or until the file changes."""
    from distctl.app.change import prepare, with_changes
    from distctl.app.errands import Request, asking
    from distctl.app.wishes import parse_scale, refuse_shortage, scale_changes
    from distctl.cli.output import note
    from distctl.cli.running import finish, fulfil, opened, seconds

    with opened(inventory) as session:
        numbers = parse_scale(session, wanted)
        what = f"scale {' '.join(wanted)}"
        with asking(session, what, wait=seconds(lease_wait) or 0.0, say=note) as keeper:
            prepared = prepare(session, keeper)
            changes = scale_changes(session, numbers, message)
            after = with_changes(prepared, session, changes, prune=False)
            refuse_shortage(after, numbers)
            request = Request("scale", tuple(wanted), tuple(changes))
            outcomes = fulfil(session, keeper, after, request, output)
            finish("scale", after, outcomes, output, intent={"replicas": numbers})
