"""The user's ssh_config, read as OpenSSH reads it.

paramiko has a reader, but it knows no Include, and it runs the commands of `Match exec`. This one does what
ssh_config(5) says for Host and Include, takes the first value it meets for a key, and tells of each Match
that it ignored, since a setting that is skipped in silence is found the hard way.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from glob import glob
from pathlib import Path

from distctl.errors import InputError

_LINE = re.compile(r"^\s*([A-Za-z][A-Za-z0-9]*)(?:\s*=\s*|\s+)(.*?)\s*$")
_DEEPEST_INCLUDE = 16  # OpenSSH's own bound
_REPEATABLE = frozenset({"identityfile", "certificatefile"})
_RAW = frozenset({"proxycommand"})  # the rest of the line is a shell command, quotes and all

Found = dict[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Block:
    """Settings under one condition. `patterns` are those of Host, empty for the lines before the first."""

    patterns: tuple[str, ...]
    entries: tuple[Setting | Include, ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """One line: a keyword in lower case, and its words."""

    key: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Include:
    """The files that one Include line named; they only count where the block around it does."""

    files: tuple[tuple[Block, ...], ...]


@dataclass(frozen=True, slots=True)
class SshConfig:
    """Files in the order in which they are asked."""

    files: tuple[tuple[Block, ...], ...] = ()

    def lookup(self, name: str) -> Mapping[str, tuple[str, ...]]:
        """The settings for a name as the user writes it: keyword in lower case to its words."""
        found: Found = {}
        for blocks in self.files:
            _collect(blocks, name, found)
        return found

    def names(self) -> tuple[str, ...]:
        """Every name that a Host line has as it is, without wildcards, in the files' order, each once."""
        return tuple(dict.fromkeys(name for blocks in self.files for name in _names(blocks)))


def load(files: Sequence[Path], *, home: Path, warn: Callable[[str], None]) -> SshConfig:
    """Read config files, the first one to count first; one that does not exist is an empty one.

    Include's relative paths start at `home`/.ssh. `warn` is told of every Match block.
    Raises InputError with file and line.
    """
    return SshConfig(tuple(_read(path, home, warn, 0) for path in files if path.is_file()))


def matches(patterns: Sequence[str], name: str) -> bool:
    """Whether a pattern list of OpenSSH (`*`, `?`, `!`) names this name; a negated match always wins."""
    hit = False
    for pattern in patterns:
        if re.match(translate(pattern.lstrip("!").replace("[", "[[]")), name):
            if pattern.startswith("!"):
                return False
            hit = True
    return hit


def _collect(blocks: Sequence[Block], name: str, found: Found) -> None:
    for block in blocks:
        if block.patterns and not matches(block.patterns, name):
            continue
        for entry in block.entries:
            if isinstance(entry, Include):
                for file in entry.files:
                    _collect(file, name, found)
            else:
                _take(entry, found)


def _names(blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        yield from (name for name in block.patterns if not re.search(r"[*?!]", name))
        for entry in block.entries:
            if isinstance(entry, Include):
                for file in entry.files:
                    yield from _names(file)


def _take(setting: Setting, found: Found) -> None:
    """Keep the first value; ProxyJump and ProxyCommand rule each other out, whichever came first."""
    rival = {"proxyjump": "proxycommand", "proxycommand": "proxyjump"}.get(setting.key, "")
    if setting.key in _REPEATABLE:
        found[setting.key] = (*found.get(setting.key, ()), *setting.words)
    elif rival not in found:
        found.setdefault(setting.key, setting.words)


def _read(path: Path, home: Path, warn: Callable[[str], None], depth: int) -> tuple[Block, ...]:
    if depth > _DEEPEST_INCLUDE:
        raise InputError(f"{path}: Include is nested too deeply")
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    blocks: list[Block] = []
    patterns: tuple[str, ...] | None = ()
    entries: list[Setting | Include] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, words = _parse(line, f"{path}:{number}")
        if key in ("host", "match"):
            _finish(blocks, patterns, entries)
            patterns, entries = (words, []) if key == "host" else (None, [])
            if key == "match":
                warn(f"{path}:{number}: Match is not supported and was ignored with the lines under it")
        elif key == "include" and patterns is not None:
            entries.append(_include(words, home, warn, depth))
        else:
            entries.append(Setting(key, words))
    _finish(blocks, patterns, entries)
    return tuple(blocks)


def _finish(blocks: list[Block], patterns: tuple[str, ...] | None, entries: list[Setting | Include]) -> None:
    if patterns is not None:
        blocks.append(Block(patterns, tuple(entries)))


def _parse(line: str, where: str) -> tuple[str, tuple[str, ...]]:
    match = _LINE.match(line)
    if not match:
        raise InputError(f"{where}: not a line of ssh_config: {line.strip()}")
    key, rest = match[1].lower(), match[2]
    if key in _RAW:
        return key, (rest,)
    try:
        words = shlex.split(rest, comments=True)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error
    if not words:
        raise InputError(f"{where}: {match[1]} has no value")
    return key, tuple(words)


def _include(words: Sequence[str], home: Path, warn: Callable[[str], None], depth: int) -> Include:
    found: list[tuple[Block, ...]] = []
    for word in words:
        path = Path(word.replace("~", str(home), 1)) if word.startswith("~/") else home / ".ssh" / word
        found += [_read(Path(name), home, warn, depth + 1) for name in sorted(glob(str(path)))]  # noqa: PTH207
    return Include(tuple(found))
