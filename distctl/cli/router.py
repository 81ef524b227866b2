"""`distctl router`: the routers of the inventory."""

from __future__ import annotations

from typing import Annotated

import typer

from distctl.cli.options import InventoryFile
from distctl.cli.router_prometheus import prometheus

app = typer.Typer(help="The routers of the inventory.", no_args_is_help=True)
app.command("prometheus")(prometheus)


@app.command("config")
def config(
    name: Annotated[str, typer.Argument(help="The router's name.", show_default=False)],
    inventory: InventoryFile = None,
) -> None:
    """Print the configuration that a router is given, without touching it."""
    from distctl.cli.running import opened
    from distctl.errors import InputError

    with opened(inventory) as session:
        routers = [router for router in session.spec.router_ids if router.router == name]
        if not routers:
            known = ", ".join(sorted({r.name for r in session.spec.routers})) or "none"
            raise InputError(f"there is no router {name!r}", hint=f"the inventory has {known}")
        record = session.store.load()
        session.remember(record)
        typer.echo(session.router_config(record, routers[0]), nl=False)


@app.callback()
def _routers() -> None:
    """The routers of the inventory."""
