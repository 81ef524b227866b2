"""Requests that routers tell of, as lines: columns for people, JSON for programs."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from distctl.cluster.requests import Told

HEADER = "TIME         STATUS      TOTAL   QUEUE MODEL            SERVER       HOW"
ROUTER_WIDTH = 14


def header(*, several: bool) -> str:
    """The names of the columns; `several` routers are told apart by one more."""
    return f"{'ROUTER':<{ROUTER_WIDTH}} {HEADER}" if several else HEADER


def line(one: Told, *, several: bool, colour: bool) -> str:
    """A request as a line: columns of 72 characters, then how it ended and whose it was."""
    time = datetime.fromtimestamp(one.ended).strftime("%H:%M:%S.%f")[:-3]
    status = f"grpc {one.grpc}" if one.grpc else str(one.status or "-")
    columns = (
        f"{time} {status:<7} {_milliseconds(one.total):>9} {_milliseconds(one.queue):>7} "
        f"{one.model or '-':<16} {one.server or '-':<12} {_remarks(one)}"
    )
    text = f"{one.router!s:<{ROUTER_WIDTH}} {columns}" if several else columns
    return typer.style(text, fg=typer.colors.RED) if colour and one.failed else text


def document(one: Told) -> str:
    """A request as JSON in one line: what the router said, its name, and how it ended in words."""
    added = {"router": str(one.router), "tries": one.tries, "failed": one.failed, "how": one.how}
    return json.dumps({**added, **one.said}, ensure_ascii=False)


def _remarks(one: Told) -> str:
    parts = [
        one.how,
        f"{one.tries} tries" if one.tries > 1 else "",
        f"key {one.key}" if one.key else "",
        one.request,
    ]
    return ", ".join(part for part in parts if part)


def _milliseconds(value: int) -> str:
    return "-" if value < 0 else f"{value}ms"
