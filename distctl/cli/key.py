"""`distctl key`: who may use the routers that ask for keys, and how much."""

from __future__ import annotations

from typing import Annotated

import typer

from distctl.cli.options import Format, InventoryFile, LeaseWait, Output

app = typer.Typer(help="API keys of the routers.", no_args_is_help=True)


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Who it is for.", show_default=False)],
    inventory: InventoryFile = None,
    rate: Annotated[int, typer.Option(min=0, help="Requests a second in each router; 0: no limit.")] = 0,
    concurrency: Annotated[
        int, typer.Option(min=0, help="Requests at once in each router; 0: no limit.")
    ] = 0,
    models: Annotated[str, typer.Option(help="Those that it may use, with commas; absent: all.")] = "",
    lease_wait: LeaseWait = "0",
) -> None:
    """Make a key and print it, this once: only its digest is kept."""
    from distctl.app.keys import asking, keep, new_key, tell
    from distctl.app.leasing import leased
    from distctl.cli.output import note
    from distctl.cli.running import opened, seconds

    chosen = [model.strip() for model in models.split(",") if model.strip()]
    with opened(inventory) as session:
        with leased(session, f"key add {name}", wait=seconds(lease_wait) or 0.0, say=note) as keeper:
            key, terms = new_key(session, name, rate=rate, concurrency=concurrency, models=chosen)
            keep(session, keeper, terms)
            typer.echo(key)
            tell(session, keeper)
        if not asking(session):
            note("no router asks for keys yet: write `auth: keys` in one, then distctl up", "yellow")


@app.command("list")
def list_(inventory: InventoryFile = None, output: Output = Format.TABLE) -> None:
    """Every key with its terms."""
    from distctl.app.keys import listed
    from distctl.cli.output import ago, document, table, wants_json
    from distctl.cli.running import opened

    with opened(inventory) as session:
        keys = session.store.load().keys
        now = session.clock.now()
    if wants_json(output):
        document("keys", {"keys": listed(keys.values())})
        return
    rows = [
        (k.name, k.rate or "-", k.concurrency or "-", ",".join(k.models) or "all", k.by, ago(k.since, now))
        for k in sorted(keys.values())
    ]
    table(("name", "rate", "concurrency", "models", "by", "made"), rows)


@app.command("rm")
def rm(
    name: Annotated[str, typer.Argument(help="The key's name.", show_default=False)],
    inventory: InventoryFile = None,
    lease_wait: LeaseWait = "0",
) -> None:
    """End a key: routers refuse it from now on."""
    from distctl.app.keys import forget, tell
    from distctl.app.leasing import leased
    from distctl.cli.output import note
    from distctl.cli.running import opened, seconds

    with (
        opened(inventory) as session,
        leased(session, f"key rm {name}", wait=seconds(lease_wait) or 0.0, say=note) as keeper,
    ):
        forget(session, keeper, name)
        tell(session, keeper)
