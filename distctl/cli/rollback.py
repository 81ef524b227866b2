"""`distctl rollback`: bring the cluster to what an earlier revision of the spec said."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from distctl.cli.options import Force, Format, InventoryFile, LeaseWait, Output, Why, Yes


def rollback(
    revision: Annotated[
        Optional[int],  # noqa: UP045
        typer.Argument(
            metavar="[REV]", help="Of `distctl history`; absent: the one before.", show_default=False
        ),
    ] = None,
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
    yes: Yes = False,
    prune: Annotated[bool, typer.Option("--prune", help="Also remove what that revision lacks.")] = False,
    force: Force = False,
    message: Why = "",
    lease_wait: LeaseWait = "0",
) -> None:
    """Bring the cluster to an earlier revision of the spec; the inventory's file stays as it is."""
    from distctl.app.change import prepare, write_revision
    from distctl.app.leasing import leased
    from distctl.app.rollback import return_to, revision_of
    from distctl.cli.output import note, wants_json
    from distctl.cli.running import change, finish, opened, seconds

    with opened(inventory) as session:
        target = revision_of(session, revision)
        differs = return_to(session, target)
        what = f"rollback to revision {target.number}"
        with leased(session, what, wait=seconds(lease_wait) or 0.0, say=note) as keeper:
            prepared = prepare(session, keeper, prune=prune)
            write_revision(session, keeper, f"{what}: {message}" if message else what)
            outcomes = change(session, keeper, prepared, what="rollback", output=output, yes=yes, force=force)
            if prepared.plan.empty and not wants_json(output):
                note(f"Nothing to do: the cluster is what revision {target.number} says.", "green")
            if differs:
                note(
                    f"note: {session.inventory.file} says otherwise, and the next `up` returns to it: "
                    "change the file too",
                    "yellow",
                )
            finish("rollback", prepared, outcomes, output, intent={"revision": target.number})
