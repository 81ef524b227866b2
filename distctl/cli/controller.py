"""`distctl controller`: keep the cluster as the record wants it, for ever."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from distctl.cli.options import Format, InventoryFile, Output

if TYPE_CHECKING:
    from collections.abc import Callable

app = typer.Typer(help="Keep the cluster as the record wants it.", no_args_is_help=True)

Listen = Annotated[
    Optional[str],  # noqa: UP045 - typer evaluates it on Python 3.10
    typer.Option(
        "--listen", help="HOST:PORT for metrics and page; absent: as the file says.", show_default=False
    ),
]
STYLES = {"decision": "bold", "leading": "green", "error": "red", "look": "red", "waiting": "yellow"}


@app.command("run")
def run(
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
    detach: Annotated[bool, typer.Option("--detach", help="Run it in the background.")] = False,
    listen: Listen = None,
) -> None:
    """Look each second, and bring back what is not as it should be. Of several, one leads.

    It works from what the last `up`, `scale`, `drain` and so on wrote into the record: a changed file counts
    once `up` was run. The first Ctrl-C ends it between two steps, the second at once.
    """
    from distctl.app import controller, running, telling
    from distctl.app.compose import read_inventory
    from distctl.cli.output import note, wants_json

    found = read_inventory(inventory)
    place = telling.place(found, listen)
    if detach:
        note(running.detach(found, *(("--listen", listen) if listen else ())))
        return
    say = _as_json if wants_json(output) else _as_text
    with running.registered(found):
        controller.run(
            found, warn=lambda text: say("warning", text), say=say, stopping=_signalled(), listen=place
        )


@app.command("stop")
def stop(
    inventory: InventoryFile = None,
    timeout: Annotated[str, typer.Option("--timeout", help="How long a step may take to end.")] = "2m",
) -> None:
    """End the controllers of this cluster that run on this machine, between two steps. Inference goes on."""
    from distctl.app import running
    from distctl.app.compose import read_inventory
    from distctl.cli.output import note
    from distctl.cli.running import seconds

    ended = running.stop(read_inventory(inventory), seconds(timeout) or 0.0)
    note(f"stopped: process {', '.join(map(str, ended))}" if ended else "no controller runs on this machine")


@app.command("status")
def status(inventory: InventoryFile = None, output: Output = Format.TABLE) -> None:
    """Say who leads, and which controllers run on this machine. Ends with 1 when nobody leads."""
    from distctl.app import running
    from distctl.app.compose import read_inventory
    from distctl.cli.output import document, wants_json

    found = running.standing(read_inventory(inventory))
    if wants_json(output):
        document("controller", {"leader": found.leader, "since": found.since, "here": list(found.here)})
    else:
        typer.echo(f"{found.leader} leads" if found.leader else "nobody leads: no controller runs")
        typer.echo(f"on this machine: {', '.join(map(str, found.here)) or 'none'}")
    raise typer.Exit(0 if found.leader else 1)


@app.command("page")
def page(inventory: InventoryFile = None, listen: Listen = None) -> None:
    """Print the link to the controller's page. It holds the token that logs its reader in: keep it."""
    from distctl.app import telling
    from distctl.app.compose import read_inventory

    typer.echo(telling.link(read_inventory(inventory), listen))


@app.callback()
def _controller() -> None:
    """Keep the cluster as the record wants it."""


def _signalled() -> Callable[[], bool]:
    """Whether SIGINT, SIGTERM or SIGHUP has come. A second one ends the process at once."""
    import signal

    come: list[int] = []

    def heard(number: int, _: object) -> None:
        come.append(number)
        for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(other, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, heard)
    return lambda: bool(come)


def _as_text(kind: str, text: str) -> None:
    from datetime import datetime, timezone

    from distctl.cli.output import note

    stamp = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    note(f"{stamp} {kind}: {text}", STYLES.get(kind, ""))


def _as_json(kind: str, text: str) -> None:
    from datetime import datetime, timezone

    at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    print(json.dumps({"at": at, "kind": kind, "text": text}, ensure_ascii=False), flush=True)  # noqa: T201
