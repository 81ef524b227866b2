"""Names in bulk: `gpu[01-08]` in the inventory, and `--limit 'gpu[01-04],edge*'` on the command line."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from distctl.config.problems import did_you_mean
from distctl.errors import InputError

MOST = 10_000  # names from one pattern
_WRITE = "write a range as gpu[01-08], a list as gpu[1,3,5-7]"
_ITEM = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", re.ASCII)


def expand(name: str) -> list[str]:
    """Every name that a name with ranges stands for, in order; a name without brackets is itself.

    The width of the numbers is kept (`[01-08]` gives 01, 02 ...); several ranges multiply, the last one
    turning fastest. Raises InputError for a range that cannot be read or more than 10,000 names.
    """
    pieces = re.split(r"\[([^\[\]]*)\]", name)
    choices = [[piece] if index % 2 == 0 else _numbers(piece, name) for index, piece in enumerate(pieces)]
    if any("[" in piece or "]" in piece for piece in pieces[::2]):
        raise InputError(f"`{name}` has a bracket without its partner", hint=_WRITE)
    count = 1
    for choice in choices:
        count *= len(choice)
        if count > MOST:
            raise InputError(f"`{name}` stands for more than {MOST} names", hint="write smaller ranges")
    return ["".join(parts) for parts in itertools.product(*choices)]


def _numbers(content: str, name: str) -> list[str]:
    numbers: list[str] = []
    for item in content.split(","):
        match = _ITEM.fullmatch(item.strip())
        if match is None:
            raise InputError(f"`[{content}]` in `{name}` is no range", hint=_range_hint(content))
        numbers += _count(match[1], match[2] or match[1], name)
        if len(numbers) > MOST:
            raise InputError(f"`{name}` stands for more than {MOST} names", hint="write smaller ranges")
    return numbers


def _count(first: str, last: str, name: str) -> list[str]:
    if int(first) > int(last):
        raise InputError(f"`[{first}-{last}]` in `{name}` counts down", hint=f"write [{last}-{first}]")
    padded = any(len(end) > 1 and end.startswith("0") for end in (first, last))
    if padded and len(first) != len(last):
        width = max(len(first), len(last))
        hint = f"write [{first.zfill(width)}-{last.zfill(width)}]"
        raise InputError(f"`[{first}-{last}]` in `{name}` has ends of different width", hint=hint)
    if int(last) - int(first) >= MOST:
        raise InputError(f"`{name}` stands for more than {MOST} names", hint="write smaller ranges")
    width = len(first) if padded else 0
    return [str(number).zfill(width) for number in range(int(first), int(last) + 1)]


def _range_hint(content: str) -> str:
    if re.fullmatch(r"[0-9]+:[0-9]+", content):
        return f"write [{content.replace(':', '-')}]"
    if ":" in content:
        return "write an IPv6 address without brackets"
    return _WRITE


def select(names: Sequence[str], pattern: str) -> list[str]:
    """The names that a pattern asks for, in their own order, each once.

    A pattern is a list with commas; each part is a name, a range or a glob (`gpu[01-04],edge*`). Raises
    InputError when a part matches no name.
    """
    wanted: set[str] = set()
    for part in _parts(pattern):
        matched = set(_matches(names, part))
        if not matched:
            raise InputError(f"`{part}` matches no node", hint=did_you_mean(part, names, what="nodes"))
        wanted |= matched
    if not wanted:
        raise InputError(
            "an empty pattern matches no node", hint="write names, ranges or globs: gpu[01-04],edge*"
        )
    return [name for name in names if name in wanted]


def _matches(names: Iterable[str], part: str) -> Iterable[str]:
    candidates = expand(part)
    exact = set(candidates)
    globs = [candidate for candidate in candidates if "*" in candidate or "?" in candidate]
    return (name for name in names if name in exact or any(fnmatchcase(name, glob) for glob in globs))


def _parts(pattern: str) -> list[str]:
    return [part for part in (piece.strip() for piece in re.split(r",(?![^\[\]]*\])", pattern)) if part]
