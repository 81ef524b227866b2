"""What is said of a node by `doctor`: how bad it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Level(str, Enum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found at a node, how bad it is, and what to do about it (empty: nothing)."""

    level: Level
    what: str
    remedy: str = ""


Facts = Mapping[str, str]
