"""`distctl router`: the life of the inventory's routers, place by place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from distctl.cli import names
from distctl.cli.options import Force, Format, InventoryFile, LeaseWait, Output, Timeout, Why, Yes
from distctl.cli.router_prometheus import prometheus
from distctl.cli.voice import audible

if TYPE_CHECKING:
    from collections.abc import Callable

    from distctl.app.change import Prepared
    from distctl.app.session import Session
    from distctl.cluster.record import Change

    Told = Callable[[Prepared], list[Change]]

app = typer.Typer(help="The routers of the inventory.", no_args_is_help=True)
app.command("prometheus")(prometheus)

Places = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME|NAME@PLACE...",
        help="Routers, on each of their places or on one.",
        autocompletion=names.routers,
        show_default=False,
    ),
]
Some = Annotated[
    Optional[list[str]],  # noqa: UP045 - typer evaluates it on Python 3.10
    typer.Argument(
        metavar="[NAME|NAME@PLACE...]", help="Absent: all.", autocompletion=names.routers, show_default=False
    ),
]
Counts = Annotated[
    list[str],
    typer.Argument(
        metavar="N|NAME=N|auto...",
        help="On how many places of `on:`, the first ones.",
        autocompletion=names.router_counts,
    ),
]


@app.command("config")
def config(
    name: Annotated[str, typer.Argument(help="The router's name.", show_default=False)],
    inventory: InventoryFile = None,
) -> None:
    """Print the configuration that a router is given, without touching it."""
    from distctl.app.router_wishes import parse_places
    from distctl.cli.running import opened

    with opened(inventory) as session:
        router = parse_places(session, [name])[0]
        record = session.store.load()
        session.remember(record)
        typer.echo(session.routers.config(record, router), nl=False)


@app.command("launch")
@audible
def launch(
    routers: Some = None,
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
    yes: Yes = False,
    message: Why = "",
    lease_wait: LeaseWait = "0",
) -> None:
    """Have routers run, also those that were drained or stopped. A place needs no HAProxy of its own."""
    _run_again("launch", routers or [], How(inventory, output, yes, message, lease_wait))


@app.command("undrain")
@audible
def undrain(
    routers: Places,
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
    yes: Yes = False,
    message: Why = "",
    lease_wait: LeaseWait = "0",
) -> None:
    """Bring routers back that were drained or stopped."""
    _run_again("undrain", routers, How(inventory, output, yes, message, lease_wait))


@app.command("scale")
@audible
def scale(
    counts: Counts,
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
    yes: Yes = False,
    timeout: Timeout = None,
    message: Why = "",
    force: Force = False,
    lease_wait: LeaseWait = "0",
) -> None:
    """Set on how many places routers run, kept over `up` until `auto` or until the file changes."""
    from distctl.app.router_wishes import count_changes, parse_counts

    def wish(session: Session) -> Told:
        changes = count_changes(session, parse_counts(session, counts), message)
        return lambda _: changes

    _change("scale", counts, wish, How(inventory, output, yes, message, lease_wait, timeout, force))


@app.command("drain")
@audible
def drain(
    routers: Places,
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
    yes: Yes = False,
    timeout: Timeout = None,
    message: Why = "",
    force: Force = False,
    lease_wait: LeaseWait = "0",
) -> None:
    """Let routers end without a lost request, and keep it so until `undrain`.

    Their health path says so first, they serve on for their lame-duck time, then tell clients to go.
    """
    _end("drain", routers, How(inventory, output, yes, message, lease_wait, timeout, force))


@app.command("stop")
@audible
def stop(
    routers: Places,
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
    yes: Yes = False,
    timeout: Timeout = None,
    message: Why = "",
    force: Force = False,
    lease_wait: LeaseWait = "0",
) -> None:
    """Drain routers and remove what was put there, until `launch`. With --force also one nobody reaches."""
    _end("stop", routers, How(inventory, output, yes, message, lease_wait, timeout, force))


@dataclass(frozen=True, slots=True)
class How:
    """The options that these commands share."""

    inventory: Path | None
    output: Format
    yes: bool
    message: str
    lease_wait: str
    timeout: str | None = None
    force: bool = False


def _run_again(word: str, routers: list[str], how: How) -> None:
    from distctl.app.router_wishes import parse_places, run_changes

    def wish(session: Session) -> Told:
        chosen = parse_places(session, routers)
        return lambda _: run_changes(session, chosen, f"router {word}", how.message)

    _change(word, routers, wish, how)


def _end(word: str, routers: list[str], how: How) -> None:
    from distctl.app.router_wishes import dead, end_changes, parse_places

    stop = word == "stop"

    def wish(session: Session) -> Told:
        chosen = parse_places(session, routers)
        changes = end_changes(session, chosen, stopped=stop, why=how.message)
        return lambda seen: [*changes, *(dead(seen, chosen) if stop and how.force else ())]

    _change(word, routers, wish, how)


def _change(word: str, names: list[str], wish: Callable[[Session], Told], how: How) -> None:
    """Write a wish into the record and walk to it. Bad names are refused before anything is looked at."""
    from distctl.app.change import prepare
    from distctl.app.errands import Request, asking
    from distctl.app.router_wishes import places_of, refuse_routerless
    from distctl.cli.output import note
    from distctl.cli.running import finish, fulfil, opened, seconds

    kind = f"router {word}"
    with opened(how.inventory) as session:
        told, limit = wish(session), seconds(how.timeout)
        what = " ".join([kind, *names])
        with asking(session, what, wait=seconds(how.lease_wait) or 0.0, say=note) as keeper:
            prepared = prepare(session, keeper)
            changes = told(prepared)
            after = refuse_routerless(session, prepared, changes, force=how.force)
            _ask(word, names, how)
            places = places_of(session, names)
            request = Request(kind, tuple(names), tuple(changes), places, limit, how.force)
            outcomes = fulfil(session, keeper, after, request, how.output)
            finish(kind, after, outcomes, how.output, intent={word: names, "why": how.message})


def _ask(word: str, names: list[str], how: How) -> None:
    """What removes something is asked for at a terminal. Raises DistctlError when it was declined."""
    import sys

    from distctl.cli.output import confirm
    from distctl.errors import DistctlError

    quick = how.yes or word != "stop" or not sys.stdin.isatty()
    if not confirm(f"Stop router {', '.join(names)} and remove what was put there?", yes=quick):
        raise DistctlError("declined; no changes were made")
