"""`distctl events`: what happened, in sentences."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from distctl.cli import names
from distctl.cli.options import Format, InventoryFile, Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distctl.cluster.record import Event, OperationEntry


POLL = 1.0  # seconds between two looks with --watch


def events(
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
    watch: Annotated[bool, typer.Option("-w", "--watch", help="Go on until Ctrl-C.")] = False,
    since: Annotated[str, typer.Option(help="How far back, such as 2h.")] = "24h",
    node: Annotated[
        str, typer.Option(help="Of a node, its servers and routers.", autocompletion=names.nodes)
    ] = "",
    model: Annotated[str, typer.Option(help="Of a model.", autocompletion=names.models)] = "",
    router: Annotated[
        str, typer.Option(help="Of a router, or of one place of it.", autocompletion=names.routers)
    ] = "",
    kind: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(help="Of these kinds, such as health; again for more.", show_default=False),
    ] = None,
    steps: Annotated[bool, typer.Option("--steps", help="The steps of the last plan instead.")] = False,
    number: Annotated[int, typer.Option("-n", help="At most this many, the newest.", min=1)] = 100,
) -> None:
    """Show what happened: changes, drains, failures, by whom and why."""
    import time

    from distctl.app.happening import Happening
    from distctl.cli.running import opened, seconds
    from distctl.errors import Interrupted
    from distctl.policy.happened import Asked

    before = time.time() - (seconds(since) or 0.0)
    with opened(inventory) as session:
        if steps:
            _steps(session.store.operations(), output)
            return
        happening = Happening(session.store, Asked(node, model, router, tuple(kind or ())), before)
        found = happening.look(number)
        if not watch:
            _show(found, output)
            return
        try:
            while True:
                for event in found:
                    typer.echo(_line(event, output))
                session.clock.sleep(POLL)
                found = happening.look()
        except Interrupted:
            return


def _show(found: Sequence[Event], output: Format) -> None:
    from distctl.cli.output import document, wants_json

    if wants_json(output):
        document("events", {"events": [asdict(event) for event in found]})
        return
    for event in found:
        typer.echo(_line(event, output))


def _line(event: Event, output: Format) -> str:
    """One that just came: a line, or a document in a line."""
    from distctl.cli.output import wants_json

    if wants_json(output):
        return json.dumps(asdict(event), ensure_ascii=False)
    by = f" ({event.by})" if event.by else ""
    return f"{_clock(event)} {event.kind} {event.subject}: {event.text}{by}"


def _clock(event: Event) -> str:
    return datetime.fromtimestamp(event.at).strftime("%Y-%m-%d %H:%M:%S")


def _steps(found: Sequence[OperationEntry], output: Format) -> None:
    """What became of each step of the plan that was begun last; one that is running was interrupted."""
    from distctl.cli.output import document, table, wants_json

    if wants_json(output):
        keys = ("plan", "number", "what", "state", "started", "ended", "outcome")
        document("steps", {"steps": [{key: getattr(entry, key) for key in keys} for entry in found]})
        return
    rows = [
        (
            e.number,
            e.state.value,
            f"{e.ended - e.started:.1f} s" if e.started and e.ended else "-",
            e.what,
            e.outcome,
        )
        for e in found
    ]
    table(("step", "state", "took", "what", "outcome"), rows)
