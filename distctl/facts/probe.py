"""Many facts in one round trip: each probe's output is a section of one text, cut apart again here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

Facts = dict[str, str]

_MARK = "@@distctl"
_HEADING = re.compile(rf"^{_MARK} (\S+)$\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Probe:
    """A shell command and what its output says.

    The command sees `$root` (distctl's folder, which need not exist), `$base` (the nearest folder above it
    that does) and `$wanted_python` (empty, or the interpreter that the inventory names). It prints what it
    finds; parsing is Python's. It must not fail, wait or change anything.
    """

    name: str
    script: str
    parse: Callable[[str], Facts]


def section(name: str, script: str) -> str:
    """The script, its output headed by its name. Each section is a subshell: none disturbs the next."""
    return f"printf '\\n{_MARK} %s\\n' {name}\n(\n{script}\n) 2>/dev/null\n"


def sections(text: str) -> dict[str, str]:
    """The output cut into its sections. One that was cut short is kept as far as it came."""
    parts = _HEADING.split(text)
    return {name: body.strip("\n") for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def read(probes: Iterable[Probe], found: Mapping[str, str]) -> Facts:
    """Every fact that the sections hold."""
    facts: Facts = {}
    for probe in probes:
        if probe.name in found:
            facts |= probe.parse(found[probe.name])
    return facts


def pairs(text: str) -> dict[str, str]:
    """`key=value` lines, one layer of quotes removed; every other line is left out."""
    lines = (line.partition("=") for line in text.splitlines())
    return {key.strip(): value.strip().strip("\"'") for key, sep, value in lines if sep and key.strip()}


def number(text: str) -> int | None:
    """A count, or None if it is none."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdecimal() else None


def only(facts: Mapping[str, str | int | None]) -> Facts:
    """The facts that have a value, as text."""
    return {name: str(value) for name, value in facts.items() if value not in (None, "")}
