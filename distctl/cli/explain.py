"""`distctl explain`: what something is, why it is so, what happened last, and what would change it."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from distctl.cli import names
from distctl.cli.options import Format, InventoryFile, Output

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from distctl.cluster.record import Event
    from distctl.policy.explain.told import Explanation

WIDEST = 100  # columns: longer lines are hard to read


def explain(
    word: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A node, NODE/SERVER, model or router (main@lb01); KIND/NAME where several are called so.",
            autocompletion=names.everything,
            show_default=False,
        ),
    ],
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
) -> None:
    """Explain a node, server, model or router: why it is so, and what would change it."""
    from distctl.app.explaining import explained
    from distctl.cli.output import document, note, wants_json
    from distctl.cli.running import opened

    with opened(inventory) as session:
        found = explained(session, word)
    if wants_json(output):
        document("explain", {"explanations": [asdict(one) for one in found]})
        return
    for number, one in enumerate(found):
        if number:
            typer.echo()
        _print(one)
    if len({one.kind for one in found}) > 1:
        several = " and ".join(f"{one.kind}/{one.name}" for one in found)
        note(f"note: {word} means {several}; each of these names is one of them alone")


def _print(one: Explanation) -> None:
    from distctl.cli.output import console

    out = console()
    out.print(f"{one.kind.upper()} {one.name}: {one.state}", style="bold", markup=False)
    for heading, sentences in (
        ("what it is", one.what),
        ("why it is so", one.why),
        ("what happened last", _happened(one.last)),
        ("what would change it", one.change),
    ):
        if sentences:
            out.print(heading, style="dim", markup=False)
        for line in _wrapped(sentences):
            out.print(line, markup=False)


def _happened(events: Sequence[Event]) -> list[str]:
    times = [datetime.fromtimestamp(event.at).strftime("%m-%d %H:%M:%S") for event in events]
    return [f"{at} {e.kind} {e.subject}: {e.text}" for at, e in zip(times, events, strict=True)]


def _wrapped(sentences: Sequence[str]) -> Iterator[str]:
    from textwrap import wrap

    width = min(WIDEST, shutil.get_terminal_size().columns)
    for sentence in sentences:
        yield from wrap(
            sentence,
            width,
            initial_indent="  ",
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
