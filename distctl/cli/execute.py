"""`distctl exec`: a command or a shell on a node, over the connection that distctl uses."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from distctl.cli import names
from distctl.cli.options import InventoryFile


def execute(
    node: Annotated[str, typer.Argument(help="The node's name.", autocompletion=names.nodes)],
    command: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(help="The command, after `--`; absent: a shell.", show_default=False),
    ] = None,
    inventory: InventoryFile = None,
    timeout: Annotated[str, typer.Option(help="How long a command may take.")] = "60s",
) -> None:
    """Run a command on a node, or a shell there, and end with its exit status."""
    import shlex

    from distctl.cli.running import opened, seconds

    with opened(inventory) as session:
        (name,) = session.select([node])
        if not command:
            raise typer.Exit(session.shell(name))
        script = shlex.join(command)
        result = session.connector(name).run(script, tried=script, deadline=seconds(timeout) or 60.0)
    typer.echo(result.stdout, nl=False)
    typer.echo(result.stderr, nl=False, err=True)
    raise typer.Exit(result.status)
