"""`distctl logs`: what servers and routers said, and what routers tell of requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from distctl.cli import names
from distctl.cli.options import Format, InventoryFile, Output

if TYPE_CHECKING:
    from distctl.app.requests import Feed
    from distctl.app.session import Session
    from distctl.app.units import Unit
    from distctl.cluster.requests import Wanted

POLL = 1.0  # seconds between two looks with --follow
MOST = 100_000  # lines of each router in one look with --follow


def logs(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="NODE|NODE/SERVER|ROUTER...", autocompletion=names.nodes_and_routers),
    ],
    inventory: InventoryFile = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until Ctrl-C.")] = False,
    number: Annotated[int, typer.Option("-n", help="Lines of each log.", min=1)] = 100,
    output: Output = Format.TABLE,
    model: Annotated[
        str, typer.Option("--model", help="Requests to this model.", autocompletion=names.models)
    ] = "",
    key: Annotated[str, typer.Option("--key", help="Requests with the API key of this name.")] = "",
    request: Annotated[
        str, typer.Option("--request", metavar="ID", help="The request with this id, or whose id begins so.")
    ] = "",
    slow: Annotated[
        str,
        typer.Option("--slow", metavar="TIME", help="Requests that took at least so long, such as 200ms."),
    ] = "",
    errors: Annotated[
        bool, typer.Option("--errors", help="Requests that were refused, failed or were broken off.")
    ] = False,
    since: Annotated[
        str,
        typer.Option("--since", metavar="TIME", help="Requests that ended in the last so long, such as 10m."),
    ] = "",
) -> None:
    """Show the last lines of the servers of nodes, of one server (n1/0), or of routers.

    Routers tell of their requests too, all places of a router in one stream. With a filter, or -o json, only
    of requests.
    """
    from distctl.app.requests import Feed, logging_routers, refuse_strangers
    from distctl.app.units import units_of
    from distctl.cli.running import opened
    from distctl.errors import Interrupted, PartialFailure

    wanted = _wanted(model, key, request, slow, since, errors=errors)
    filtered = any((model, key, request, slow, since, errors)) or output is Format.JSON
    with opened(inventory) as session:
        if filtered:
            refuse_strangers(session, sources)
        units = [] if filtered else units_of(session, sources)
        feed = Feed(session, logging_routers(session, sources), wanted)
        shown = Shown(session, units, feed, output)
        shown.look(number, number)
        if feed.silent and not follow:
            raise PartialFailure(
                f"no router told anything: {', '.join(map(str, feed.routers))}", hint="distctl status"
            )
        try:
            while follow:
                session.clock.sleep(POLL)
                shown.look(number, MOST)
        except Interrupted:
            return


def _wanted(model: str, key: str, request: str, slow: str, since: str, *, errors: bool) -> Wanted:
    """The filters as data. Raises InputError for one that no request could meet."""
    import re
    import time

    from distctl.cli.running import seconds
    from distctl.cluster.requests import Wanted
    from distctl.errors import InputError

    for option, value in (("--model", model), ("--key", key), ("--request", request)):
        if not re.fullmatch(r"[A-Za-z0-9._:-]*", value):
            raise InputError(f"{option} {value!r}: no name or id has such a character")
    milliseconds = round((seconds(slow or None) or 0.0) * 1000)
    before = seconds(since or None)
    return Wanted(model, key, request, milliseconds, errors, 0.0 if before is None else time.time() - before)


class Shown:
    """What was printed already, so that each look prints what is new."""

    def __init__(self, session: Session, units: list[Unit], feed: Feed, output: Format) -> None:
        self._session, self._units, self._feed, self._output = session, units, feed, output
        self._lines: dict[str, list[str]] = {}
        self._told: set[str] = set()
        self._headed = False

    def look(self, lines: int, newest: int) -> None:
        """Print what is new: so many lines of each unit at most, so many requests of each router."""
        for unit in self._units:
            self._unit(unit, lines)
        if self._feed.routers:
            self._requests(newest)

    def _unit(self, unit: Unit, number: int) -> None:
        from distctl.app.units import tail

        lines = tail(self._session, unit, number)
        for line in _new(self._lines.get(unit.subject, []), lines):
            typer.echo(f"{unit.subject}: {line}" if len(self._units) > 1 else line)
        self._lines[unit.subject] = lines

    def _requests(self, newest: int) -> None:
        import sys

        from distctl.cli.output import note, wants_json
        from distctl.cli.requests_show import document, header, line

        several = len(self._feed.routers) > 1
        for one in self._feed.look(newest):
            if wants_json(self._output):
                typer.echo(document(one))
                continue
            if not self._headed:
                self._headed = True
                note(header(several=several), "bold")
            typer.echo(line(one, several=several, colour=sys.stdout.isatty()))
        for router, error in self._feed.troubles.items():
            if error.message not in self._told:
                self._told.add(error.message)
                note(f"warning: {router} tells nothing: {error.message}", "yellow")


def _new(before: list[str], now: list[str]) -> list[str]:
    """The lines of `now` that come after what was shown before: two windows on one growing log."""
    for size in range(min(len(before), len(now)), 0, -1):
        if before[-size:] == now[:size]:
            return now[size:]
    return now
