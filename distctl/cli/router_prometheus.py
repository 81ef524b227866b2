"""`distctl router prometheus`: what a Prometheus is given to watch the routers."""

from __future__ import annotations

from typing import Annotated

import typer

from distctl.cli.options import InventoryFile


def prometheus(
    inventory: InventoryFile = None,
    rules: Annotated[bool, typer.Option("--rules", help="The recording rules instead.")] = False,
) -> None:
    """Print the part of prometheus.yml that scrapes every router, with labels for model, node and server.

    With --rules, print the recording rules that it names: rate, errors and duration of each model.
    """
    from distctl.app.targets import targets
    from distctl.cli.running import opened
    from distctl.commands import prometheus

    if rules:
        typer.echo(prometheus.rules(), nl=False)
        return
    with opened(inventory) as session:
        typer.echo(prometheus.scrape(session.spec.cluster, targets(session)), nl=False)
