"""`distctl router prometheus`: what a Prometheus is given to watch the routers."""

from __future__ import annotations

from typing import Annotated

import typer

from distctl.cli.options import InventoryFile


def prometheus(
    inventory: InventoryFile = None,
    rules: Annotated[bool, typer.Option("--rules", help="The recording rules instead.")] = False,
    alerts: Annotated[bool, typer.Option("--alerts", help="The alert rules instead.")] = False,
    dashboard: Annotated[bool, typer.Option("--dashboard", help="Grafana's dashboard instead.")] = False,
) -> None:
    """Print the part of prometheus.yml that scrapes every router, with labels for model, node and server.

    Where the inventory says controller: {listen: ...}, the controller too, which then names routers and
    servers. With --rules, print the recording rules that it names: rate, errors and duration of each model;
    with --alerts the alert rules over what the controller tells; with --dashboard both as Grafana shows them.
    """
    from distctl.app import telling
    from distctl.app.compose import read_inventory
    from distctl.commands import prometheus
    from distctl.errors import InputError

    texts = {prometheus.rules: rules, prometheus.alerts: alerts, prometheus.dashboard: dashboard}
    if wanted := [text for text, said in texts.items() if said]:
        typer.echo(wanted[0](), nl=False)
        return
    found = read_inventory(inventory)
    if not found.spec.routers:
        raise InputError("the inventory has no router", hint="write one below routers:")
    text = prometheus.scrape(found.spec.cluster, prometheus.targets(found.spec), telling.desk(found))
    typer.echo(text, nl=False)
