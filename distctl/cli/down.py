"""`distctl down`: remove what distctl put on the nodes, and only that."""

from __future__ import annotations

from typing import Annotated

import typer

from distctl.cli.options import Force, Format, InventoryFile, LeaseWait, Output, Timeout, Yes


def down(
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
    yes: Yes = False,
    keep_models: Annotated[
        bool, typer.Option("--keep-models", help="Leave the pushed models there.")
    ] = False,
    timeout: Timeout = None,
    force: Force = False,
    lease_wait: LeaseWait = "0",
) -> None:
    """Stop routers and servers once nothing is in flight, and remove what distctl put on the nodes."""
    from dataclasses import replace

    from distctl.app.change import prepare
    from distctl.app.leasing import leased
    from distctl.app.wishes import down_changes
    from distctl.cli.output import note, wants_json
    from distctl.cli.running import change, finish, opened, seconds
    from distctl.policy.teardown import teardown

    with opened(inventory) as session:
        what = f"down by {session.author}"
        with leased(session, what, wait=seconds(lease_wait) or 0.0, say=note) as keeper:
            prepared = prepare(session, keeper)
            plan = teardown(prepared.wish, prepared.record, prepared.snapshot, keep_models=keep_models)
            prepared = replace(prepared, plan=plan, troubles=())
            outcomes = change(
                session,
                keeper,
                prepared,
                what="down",
                output=output,
                yes=yes,
                force=force,
                drain_seconds=seconds(timeout),
                intents=down_changes(session),
            )
            if plan.empty and not plan.skipped and not wants_json(output):
                note("Nothing to do: nothing of this cluster is there.", "green")
            finish("down", prepared, outcomes, output)
