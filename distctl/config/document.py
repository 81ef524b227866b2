"""From the bytes of an inventory to plain values that know their lines. Nothing is trusted.

pyyaml's parser gives events; the tree is built here, since its own loaders lose lines, take the last of two
equal keys, build whatever a tag names and let a few aliases grow without bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any

import yaml

from distctl.config.problems import Path, Problem, dotted, error
from distctl.config.scalars import Trap, resolve
from distctl.errors import InventoryError

LARGEST_FILE = 1 << 20  # bytes
LARGEST_TREE = 100_000  # values, aliases counted as often as they are used
DEEPEST = 24  # levels; the schema needs 6

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser where pyyaml has it


@dataclass(frozen=True, slots=True)
class Document:
    """An inventory as plain dicts, lists and scalars; the line of each place; the traps found."""

    file: File
    value: dict[str, Any]
    lines: Mapping[Path, int]
    traps: Mapping[Path, tuple[Trap, str]]  # by place: the trap and the word itself
    key_traps: Mapping[Path, tuple[Trap, str]]


@dataclass(slots=True)
class _Tree:
    """One value of the file. `items` of a mapping are (key, line of the key, value)."""

    line: int
    scalar: Any = None
    trap: Trap | None = None
    items: list[tuple[_Tree, _Tree]] | None = None
    entries: list[_Tree] | None = None
    size: int = 1
    plain: bool = False


@dataclass(slots=True)
class _Builder:
    file: File
    events: Iterator[Any]
    anchors: dict[str, _Tree | None] = field(default_factory=dict)

    def refuse(self, line: int, message: str, hint: str = "", path: Path = ()) -> InventoryError:
        return InventoryError(message, file=self.file, line=line, path=dotted(path), hint=hint)

    def build(self, event: Any, path: Path) -> _Tree:
        line = event.start_mark.line + 1
        if len(path) > DEEPEST:
            raise self.refuse(line, f"nested deeper than {DEEPEST} levels", "no key needs that", path[:3])
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, line, path)
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            hint = f"remove {tag}; text that would read as something else goes in quotes"
            raise self.refuse(line, "tags are not allowed", hint, path)
        if event.anchor is not None:
            self.anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            tree = self._scalar(event, line, path)
        elif isinstance(event, yaml.SequenceStartEvent):
            tree = self._sequence(line, path)
        else:
            tree = self._mapping(line, path)
        if event.anchor is not None:
            self.anchors[event.anchor] = tree
        return tree

    def _alias(self, event: Any, line: int, path: Path) -> _Tree:
        if event.anchor not in self.anchors:
            message = f"alias *{event.anchor} has no anchor &{event.anchor} before it"
            raise self.refuse(line, message, "put it in quotes if it is text, else write the value out", path)
        known = self.anchors[event.anchor]
        if known is None:
            raise self.refuse(line, f"alias *{event.anchor} contains itself", "write the value out", path)
        return known

    def _scalar(self, event: Any, line: int, path: Path) -> _Tree:
        if _CONTROL.search(event.value):
            raise self.refuse(line, "a control character in a value", "remove it", path)
        if event.style is None or event.style == "":
            value, trap = resolve(event.value)
            return _Tree(line, value, trap, plain=True)
        return _Tree(line, event.value)

    def _sequence(self, line: int, path: Path) -> _Tree:
        tree = _Tree(line, entries=[])
        assert tree.entries is not None  # noqa: S101 - for the type checker
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            entry = self.build(event, (*path, len(tree.entries)))
            tree.entries.append(entry)
            self._grow(tree, entry, path)
        return tree

    def _mapping(self, line: int, path: Path) -> _Tree:
        tree = _Tree(line, items=[])
        assert tree.items is not None  # noqa: S101 - for the type checker
        seen: dict[str, int] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._key(event, path)
            if key.scalar in seen:
                first = seen[key.scalar]
                hint = f"the first stands in line {first}; keep one of them"
                raise self.refuse(key.line, "the same key twice", hint, (*path, key.scalar))
            seen[key.scalar] = key.line
            value = self.build(next(self.events), (*path, key.scalar))
            tree.items.append((key, value))
            self._grow(tree, value, path)
        return tree

    def _key(self, event: Any, path: Path) -> _Tree:
        line = event.start_mark.line + 1
        if not isinstance(event, yaml.ScalarEvent):
            raise self.refuse(line, "a key must be a word", "write NAME: VALUE", path)
        key = self.build(event, path)
        if key.plain and key.scalar == "<<":
            raise self.refuse(
                line, "merge keys (<<) are not allowed", "put what is shared into a group", path
            )
        if not isinstance(key.scalar, str):
            hint = f'write "{event.value}" in quotes' if event.value else "write a name before the colon"
            raise self.refuse(line, f"the key `{event.value}` is not text", hint, path)
        return key

    def _grow(self, tree: _Tree, part: _Tree, path: Path) -> None:
        tree.size += part.size
        if tree.size > LARGEST_TREE:
            message = f"more than {LARGEST_TREE} values once its aliases are written out"
            raise self.refuse(tree.line, message, "write the values out, or put them into a group", path)


def read(file: File) -> Document:
    """Read one inventory. Raises InventoryError for everything that is no single plain YAML mapping."""
    text = _text(file)
    try:
        tree = _compose(file, text)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = mark.line + 1 if mark else 0
        words = ", ".join(part for part in (exc.context, exc.problem) if part)
        raise InventoryError(
            f"not valid YAML: {words}", file=file, line=line, hint=_syntax_hint(text, line)
        ) from exc
    except (yaml.YAMLError, ValueError, IndexError, RecursionError, OverflowError) as exc:
        # The pure Python parser lets some of these out of strange escapes.
        raise InventoryError(f"not valid YAML: {_one_line(exc)}", file=file) from exc
    document = Document(file, {}, {}, {}, {})
    document.value.update(_plain(tree, (), document))
    return document


def _text(file: File) -> str:
    try:
        if not file.is_file():
            what = "is no ordinary file" if file.exists() else "does not exist"
            raise InventoryError(what, file=file, hint="name the inventory with -i FILE")
        with file.open("rb") as stream:
            raw = stream.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise InventoryError(f"cannot be read: {reason}", file=file) from exc
    if len(raw) > LARGEST_FILE:
        hint = "write ranges such as gpu[01-64], and put what nodes share into groups"
        raise InventoryError(f"larger than {LARGEST_FILE >> 20} MiB", file=file, hint=hint)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = raw.count(b"\n", 0, exc.start) + 1
        hint = f"save the file as UTF-8: iconv -t UTF-8 {file}"
        raise InventoryError("not UTF-8", file=file, line=line, hint=hint) from exc


def _compose(file: File, text: str) -> _Tree:
    builder = _Builder(file, iter(yaml.parse(text, Loader=_LOADER)))
    next(builder.events)  # the stream's start
    if isinstance(start := next(builder.events), yaml.StreamEndEvent):
        raise builder.refuse(0, "the file is empty", "start from `distctl init`")
    tree = builder.build(next(builder.events), ())
    next(builder.events)  # the document's end
    if not isinstance(second := next(builder.events), yaml.StreamEndEvent):
        line = second.start_mark.line + 1
        raise builder.refuse(line, "more than one document", "one file is one cluster: remove the `---`")
    if tree.plain and tree.scalar is None:
        raise builder.refuse(start.start_mark.line + 1, "the file is empty", "start from `distctl init`")
    if tree.items is None:
        raise builder.refuse(tree.line, "must be a mapping", "start with `version: 1`")
    return tree


def _plain(tree: _Tree, path: Path, into: Document) -> Any:
    lines, traps, key_traps = into.lines, into.traps, into.key_traps
    assert isinstance(lines, dict) and isinstance(traps, dict) and isinstance(key_traps, dict)  # noqa: S101
    lines.setdefault(path, tree.line)
    if tree.items is not None:
        plain = {}
        for key, value in tree.items:
            place = (*path, key.scalar)
            lines[place] = key.line
            if key.trap:
                key_traps[place] = (key.trap, key.scalar)
            plain[key.scalar] = _plain(value, place, into)
        return plain
    if tree.entries is not None:
        return [_plain(entry, (*path, index), into) for index, entry in enumerate(tree.entries)]
    if tree.trap:
        traps[path] = (tree.trap, tree.scalar)
    return tree.scalar


def _syntax_hint(text: str, line: int) -> str:
    """What usually is behind a syntax error on that line."""
    rows = text.splitlines()
    row = rows[line - 1] if 0 < line <= len(rows) else ""
    if "\t" in row[: len(row) - len(row.lstrip())]:
        return "indent with spaces, not with tabs"
    if re.search(r":\s+[^\"'\s].*[:%@`]", row) or re.search(r":\s+[%@`&*!|>]", row):
        return "put the value in quotes"
    return "look at this line and the one before it: indentation, quotes, brackets, a missing colon"


def _one_line(exc: Exception) -> str:
    return " ".join(str(exc).split())[:200]


__all__ = ["Document", "Problem", "error", "read"]
