"""What doctor says: one verdict on one thing that was found at a node."""

from __future__ import annotations

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
