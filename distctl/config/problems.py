"""What is wrong with an inventory, as data: where, what, and what to write instead.

Every stage of reading (YAML, schema, cross checks) answers with problems; they are told together, one a line,
so that a file is mended in one go and not by a dozen attempts.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path as File
from typing import TypeAlias

from distctl.errors import InventoryError

Path: TypeAlias = tuple[str | int, ...]
"""A place inside the document: keys and list positions from the top."""

MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `line` counts from 1; 0 lets the document find it by the path."""

    path: Path
    message: str
    hint: str = ""
    line: int = 0


def dotted(path: Path) -> str:
    """The place as a user reads it: `nodes.gpu01.ssh.jump[0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """The line of a place, or of the nearest thing around it that stands in the file; 0 if nothing does."""
    while path not in lines and path:
        path = path[:-1]
    return lines.get(path, 0)


def did_you_mean(word: str, known: Iterable[str], *, what: str = "") -> str:
    """A suggestion for a word that is not one of `known`; without a close one, all of them."""
    options = list(dict.fromkeys(known))
    if close := difflib.get_close_matches(word, options, n=1, cutoff=0.6):
        return f"did you mean `{close[0]}`?"
    if lowered := [option for option in options if option.lower() == word.lower()]:
        return f"did you mean `{lowered[0]}`?"
    return f"{what or 'known here'}: {', '.join(options[:MOST_SHOWN])}" if options else ""


def error(file: File, problems: Iterable[Problem], lines: Mapping[Path, int]) -> InventoryError:
    """One InventoryError that tells all problems in the order of the file, one line each."""
    placed = sorted(
        ((p.line or line_of(lines, p.path), index, p) for index, p in enumerate(dict.fromkeys(problems))),
        key=lambda entry: entry[:2],
    )
    (line, _, first), others = placed[0], placed[1:]
    if not others:
        return InventoryError(first.message, file=file, line=line, path=dotted(first.path), hint=first.hint)
    told = [_with_hint(first)]
    for number, _, problem in others[: MOST_SHOWN - 1]:
        where = f"{file}:{number}" if number else str(file)
        place = f"{dotted(problem.path)}: " if problem.path else ""
        told.append(f"{where}: {place}{_with_hint(problem)}")
    if len(placed) > MOST_SHOWN:
        told.append(f"and {len(placed) - MOST_SHOWN} more")
    return InventoryError(
        "\n".join(told),
        file=file,
        line=line,
        path=dotted(first.path),
        hint=f"{len(placed)} problems; nothing was contacted",
    )


def _with_hint(problem: Problem) -> str:
    return f"{problem.message}; {problem.hint}" if problem.hint else problem.message
