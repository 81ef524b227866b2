"""`distctl logs`: what servers and routers said."""

from __future__ import annotations

from typing import Annotated

import typer

from distctl.cli import names
from distctl.cli.options import InventoryFile

POLL = 1.0  # seconds between two looks with --follow


def logs(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="NODE|NODE/SERVER|ROUTER...", autocompletion=names.nodes_and_routers),
    ],
    inventory: InventoryFile = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until Ctrl-C.")] = False,
    number: Annotated[int, typer.Option("-n", help="Lines of each log.", min=1)] = 100,
) -> None:
    """Show the last lines of the servers of nodes, of one server (n1/0), or of routers."""
    from distctl.app.units import tail, units_of
    from distctl.cli.running import opened

    with opened(inventory) as session:
        units = units_of(session, sources)
        shown: dict[str, list[str]] = {}
        while True:
            for unit in units:
                lines = tail(session, unit, number)
                for line in _new(shown.get(unit.subject, []), lines):
                    typer.echo(f"{unit.subject}: {line}" if len(units) > 1 else line)
                shown[unit.subject] = lines
            if not follow:
                return
            session.clock.sleep(POLL)


def _new(before: list[str], now: list[str]) -> list[str]:
    """The lines of `now` that come after what was shown before: two windows on one growing log."""
    for size in range(min(len(before), len(now)), 0, -1):
        if before[-size:] == now[:size]:
            return now[size:]
    return now
