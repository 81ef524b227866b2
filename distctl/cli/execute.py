"""`distctl exec`: a command on a node, over the connection that distctl uses."""

from __future__ import annotations

from typing import Annotated

import typer

from distctl.cli import names
from distctl.cli.options import InventoryFile


def execute(
    node: Annotated[str, typer.Argument(help="The node's name.", autocompletion=names.nodes)],
    command: Annotated[list[str], typer.Argument(help="The command, after `--`.", show_default=False)],
    inventory: InventoryFile = None,
    timeout: Annotated[str, typer.Option(help="How long it may take.")] = "60s",
) -> None:
    """Run a command on a node and end with its exit status."""
    import shlex

    from distctl.cli.running import opened, seconds

    with opened(inventory) as session:
        (name,) = session.select([node])
        script = shlex.join(command)
        result = session.connector(name).run(script, tried=script, deadline=seconds(timeout) or 60.0)
    typer.echo(result.stdout, nl=False)
    typer.echo(result.stderr, nl=False, err=True)
    raise typer.Exit(result.status)
