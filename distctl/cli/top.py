"""`distctl top`: the cluster as it is, moving."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from distctl.cli.options import Format, InventoryFile, Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distctl.app.picturing import Picture
    from distctl.policy.tops import Row

SETTLE = 2.0  # seconds between the two looks of which one picture is made


def top(inventory: InventoryFile = None, output: Output = Format.TABLE) -> None:
    """Show models, nodes and routers live: rates, queues, latency, GPUs; one picture without a terminal."""
    from distctl.app.picturing import picture
    from distctl.cli.output import wants_json
    from distctl.cli.running import opened

    with opened(inventory) as session, picture(session) as live:
        if wants_json(output) or not (sys.stdout.isatty() and sys.stdin.isatty()):
            live.look()
            session.clock.sleep(SETTLE)
            _print(live.look(), output)
            return
        _move(session.spec.cluster, live)


def _move(cluster: str, live: Picture) -> None:
    from distctl.cli.top_screen import Top

    Top(cluster, live.look, lambda: "" if live.led else ", no controller runs").run()


def _print(rows: Sequence[Row], output: Format) -> None:
    from dataclasses import asdict

    from distctl.cli.output import document, wants_json
    from distctl.cli.top_lines import lines

    if wants_json(output):
        document("top", {"rows": [asdict(row) for row in rows]})
        return
    for line in lines(rows, WIDTH):
        typer.echo(line.text)


WIDTH = 120  # columns where there is no terminal
