"""`distctl trust`: take a node's host key as known, after a person has compared its fingerprint."""

from __future__ import annotations

from typing import Annotated

import typer

from distctl.cli import names
from distctl.cli.options import InventoryFile, Yes


def trust(
    nodes: Annotated[
        list[str], typer.Argument(help="Node names, globs or ranges.", autocompletion=names.nodes)
    ],
    inventory: InventoryFile = None,
    yes: Yes = False,
) -> None:
    """Show the host keys of nodes and, once confirmed, keep them as known."""
    from distctl.cli.output import confirm, note
    from distctl.cli.running import opened
    from distctl.errors import DistctlError

    with opened(inventory) as session:
        for name in session.select(nodes):
            while (key := session.host_key(name)) is not None:
                typer.echo(f"{name} {key.hop.host} {key.kind} {key.fingerprint}")
                if not confirm(f"Trust this key on the way to {name}?", yes=yes):
                    raise DistctlError(f"{name}: declined; the key is not trusted")
                session.trust(key)
            note(f"{name}: every host key on the way is known", "green")
