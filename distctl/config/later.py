"""Keys that are part of the format and do not work yet: refused by name, with what works today."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from distctl.config.problems import Path, Problem


@dataclass(frozen=True, slots=True)
class Later:
    """A place (`*` is any key), the value that is meant (any, when absent) and what works today."""

    place: str
    today: str
    when: Callable[[Any], bool] = lambda _: True
    word: str = ""


def _remote(value: Any) -> bool:
    return isinstance(value, str) and re.match(r"(s3|gs|as|https?)://", value) is not None


LATER: tuple[Later, ...] = (
    Later("models.*.source", "today a folder here, or node:/path", _remote, "object stores"),
    Later("models.*.memory", "today replicas are placed by their number and by labels"),
)


def problems(tree: Mapping[str, Any]) -> list[Problem]:
    """A problem for each key of the tree that belongs to a later version."""
    found = []
    for later in LATER:
        for path, value in _at(tree, tuple(later.place.split(".")), ()):
            if later.when(value):
                name = later.word or f"`{path[-1]}`"
                found.append(Problem(path, f"not yet in this version: {name}", later.today))
    return found


def _at(value: Any, place: tuple[str, ...], path: Path) -> Iterator[tuple[Path, Any]]:
    if not place:
        yield path, value
    elif isinstance(value, dict):
        for key in value if place[0] == "*" else [place[0]] if place[0] in value else []:
            yield from _at(value[key], place[1:], (*path, key))
