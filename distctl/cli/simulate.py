"""`distctl simulate`: what a model's autoscale settings would do under a demand, in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from distctl.cli import names
from distctl.cli.options import Format, InventoryFile, Output

STEP = 10.0  # seconds between two looks


def simulate(
    model: Annotated[str, typer.Argument(help="The model's name.", autocompletion=names.models)],
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
    trace: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Lines of SECONDS,AT ONCE[,A SECOND] of requests; each holds until the next."),
    ] = None,
    day: Annotated[
        str, typer.Option(help="LOW:HIGH requests at once, at midnight and at noon UTC, each day.")
    ] = "0:100",
    length: Annotated[str, typer.Option("--for", help="How long; absent: the trace, or 1d.")] = "",
    start: Annotated[str, typer.Option(help="How long a replica needs until it serves.")] = "1m",
) -> None:
    """Show which counts a demand would lead to, and why. Asks and changes nothing."""
    from distctl.app.simulation import demand_of, simulated
    from distctl.cli.output import document, note, table, wants_json
    from distctl.cli.running import opened, seconds

    with opened(inventory) as session:
        demand = demand_of(trace, day, seconds(length))
        found = simulated(session, model, demand, start=seconds(start) or 0.0, step=STEP)
    if wants_json(output):
        changes = [{"at": at, "replicas": count, "why": why} for at, count, why in found.changes]
        document("simulate", {"model": model, "changes": changes, **found.summary})
        return
    rows = [(_clock(at), count, why) for at, count, why in found.changes]
    table(("time", "replicas", "why"), rows)
    used, saved = found.summary["replica_hours"], found.summary["saved"]
    note(f"{used:.1f} replica-hours, {saved:.1f} fewer than with the largest count all the time")


def _clock(at: float) -> str:
    day, rest = divmod(round(at), 86_400)
    return f"{day}d " * bool(day) + f"{rest // 3600:02}:{rest % 3600 // 60:02}:{rest % 60:02}"
