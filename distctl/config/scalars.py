"""What a plain word of YAML means here: the core schema of YAML 1.2, without its surprises.

YAML 1.1 reads `no` as false, `0123` as 83 and `22:22` as 1342, YAML 1.2 reads them as they look, and readers
differ. Words on which they differ are traps: they are refused with what to write instead. Sources: the
resolution tables of yaml.org/spec/1.2.2 section 10.3.2 and of the type repository of YAML 1.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
SWITCHES = frozenset({"yes", "no", "on", "off"})  # y and n are left alone: no common reader takes them
LONGEST_NUMBER = 18  # digits; longer ones are names or mistakes

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)?\.[0-9]+|[-+]?(?:0|[1-9][0-9]*)\.")
_TRAPS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"[-+]?0[0-9_]+"), "YAML reads a leading 0 as octal"),
    (re.compile(r"[-+]?0[box][0-9a-fA-F_]+"), "YAML reads this as a number of another base"),
    (re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"), "YAML reads this as base 60"),
    (re.compile(r"[-+]?[0-9][0-9_]*_[0-9_]*(?:\.[0-9_]*)?"), "YAML drops the _ and reads a number"),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?"), "YAML reads this as a date"),
    (
        re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+"),
        "some YAML readers take this for a number",
    ),
    (re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"), "YAML reads this as no ordinary number"),
    (re.compile(rf"[-+]?[0-9]{{{LONGEST_NUMBER + 1},}}"), "this number is too long"),
)


@dataclass(frozen=True, slots=True)
class Trap:
    """A word that YAML readers take differently: the reason, and what to write instead."""

    reason: str
    hint: str


def resolve(text: str) -> tuple[Scalar, Trap | None]:
    """The value of a plain (unquoted) scalar, and the trap it is, if any; a trap's value is its text."""
    if text in WORDS:
        return WORDS[text], None
    if trap := _trap(text):
        return text, trap
    if _INTEGER.fullmatch(text):
        return int(text), None
    return (float(text) if _FLOAT.fullmatch(text) else text), None


def _trap(text: str) -> Trap | None:
    if text.lower() in SWITCHES:
        truth = "true" if text.lower() in ("yes", "on") else "false"
        return Trap(f"some YAML readers take this for {truth}", f'write "{text}" in quotes, or {truth}')
    for pattern, reason in _TRAPS:
        if pattern.fullmatch(text):
            return Trap(reason, _instead(text))
    return None


def _instead(text: str) -> str:
    bare = text.replace("_", "").lstrip("+")
    number = bare.lstrip("0") or "0"
    if bare.isascii() and bare.isdigit() and len(number) <= LONGEST_NUMBER:
        return f'write {number} for the number, "{text}" in quotes for the text'
    return f'write "{text}" in quotes'
