"""Requests that took two servers with them, as the router's own log names them: text to values."""

from __future__ import annotations

import json
from collections.abc import Iterator

from distctl.cluster.router import Lost
from distctl.commands.haproxy.groups import server_of

MARK = "lost-twice "
NEWEST = 20
SCRIPT = f"cat log.1 log 2>/dev/null | grep -a '^{MARK}' | tail -n {NEWEST}; true\n"
"""Prints those lines when it is run in the router's folder."""


def lost_requests(text: str) -> tuple[Lost, ...]:
    """What the lines tell, oldest first; a line that was cut off tells nothing."""
    return tuple(_parsed(text))


def _parsed(text: str) -> Iterator[Lost]:
    for line in text.splitlines():
        if line.startswith(MARK):
            try:
                said = json.loads(line.removeprefix(MARK))
                servers = tuple(server_of(name) for name in said["servers"])
                yield Lost(said["at"], said["model"], said["request"], said["client"], servers)
            except (ValueError, KeyError, TypeError):
                continue
