"""`distctl up`: bring the cluster to what the inventory says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from distctl.cli.options import Force, Format, InventoryFile, LeaseWait, Limit, Output, Why, Yes


def up(
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
    yes: Yes = False,
    plan: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--plan", help="Carry out exactly this saved plan, or exit 8 when something moved."),
    ] = None,
    limit: Limit = "*",
    prune: Annotated[bool, typer.Option(help="Also remove what left the file.")] = False,
    adopt: Annotated[
        bool, typer.Option("--adopt", help="Take over nodes that another record has changed.")
    ] = False,
    max_failures: Annotated[
        int, typer.Option(help="Start nothing more once more nodes than this have failed.")
    ] = 1_000_000,
    force: Force = False,
    message: Why = "",
    lease_wait: LeaseWait = "0",
) -> None:
    """Bring the cluster to what the inventory says, and change nothing where it is so already."""
    from distctl.app.change import prepare, write_revision
    from distctl.app.leasing import leased
    from distctl.app.losses import remember_lost
    from distctl.app.saved import require_same
    from distctl.app.weighing import told, weigh
    from distctl.cli.output import note, wants_json
    from distctl.cli.running import change, finish, narrowed, opened, seconds

    with (
        opened(inventory) as session,
        leased(session, f"up by {session.author}", wait=seconds(lease_wait) or 0.0, say=note) as keeper,
    ):
        prepared = narrowed(session, prepare(session, keeper, prune=prune, adopt=adopt, fresh=True), limit)
        if plan is not None:
            require_same(plan, session, prepared)
        session.needs.require()
        write_revision(session, keeper, message)
        outcomes = change(
            session,
            keeper,
            prepared,
            what="up",
            output=output,
            yes=yes,
            force=force,
            max_failures=max_failures,
        )
        for event in remember_lost(session, prepared.snapshot):
            note(f"warning: {event.text}", "bold red")
        for weight in weigh(session, keeper, prepared.snapshot) if limit == "*" else ():
            note(told(weight))
        for power in (found for _, found in sorted(prepared.record.powers.items()) if found.shut):
            note(f"{power.node}: {power.said}; it is brought in line once it is on")
        if prepared.plan.empty and not wants_json(output):
            note("Nothing to do: the cluster is what the inventory says.", "green")
        finish("up", prepared, outcomes, output)
