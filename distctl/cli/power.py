"""`distctl power on|off NODE`: what the controller does by itself, by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from distctl.cli import names
from distctl.cli.options import InventoryFile, LeaseWait, Why

app = typer.Typer(help="Turn nodes off and on by their `power` commands.", no_args_is_help=True)
Nodes = Annotated[list[str], typer.Argument(help="Node names, globs or ranges.", autocompletion=names.nodes)]


@app.command()
def on(nodes: Nodes, inventory: InventoryFile = None, message: Why = "", lease_wait: LeaseWait = "0") -> None:
    """Turn nodes on. The controller, or the next `up`, sets them up."""
    _turn(nodes, inventory, message, lease_wait, on=True)


@app.command()
def off(
    nodes: Nodes, inventory: InventoryFile = None, message: Why = "", lease_wait: LeaseWait = "0"
) -> None:
    """Turn nodes off that serve nothing, until placement needs them or `power on`."""
    _turn(nodes, inventory, message, lease_wait, on=False)


def _turn(nodes: list[str], inventory: InventoryFile, message: str, lease_wait: str, *, on: bool) -> None:
    from distctl.app.errands import asking
    from distctl.app.power import by_hand
    from distctl.cli.output import note
    from distctl.cli.running import opened, seconds

    with opened(inventory) as session:
        chosen = session.select(nodes)
        what = f"power {'on' if on else 'off'} {' '.join(chosen)}"
        with asking(session, what, wait=seconds(lease_wait) or 0.0, say=note) as keeper:
            by_hand(session, keeper, chosen, on=on, why=message, say=note)
