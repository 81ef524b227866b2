"""Precedence: what a node says goes before its groups, its groups before the top level; and where from.

Levels are joined as written, key by key, before anything is turned into its value, so that every setting can
tell the line it came from. Mappings such as `ssh` or `labels` join; lists and secrets are taken whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from distctl.config.inventory import Origin
from distctl.config.kinds import KEYS
from distctl.config.problems import Path, Problem, did_you_mean, dotted, line_of

Key: TypeAlias = tuple[str, ...]

SETTINGS = ("ssh", "runtime", "servers", "labels", "timeouts", "power", "directory")
JOINED: frozenset[Key] = frozenset(
    {
        *(("ssh",), ("servers",), ("labels",), ("timeouts",)),
        *(("runtime",), ("runtime", "environment"), ("runtime", "ulimits")),
        *(("power",), ("power", "environment")),
    }
)


@dataclass(frozen=True, slots=True)
class Level:
    """One place that says something of a node: its name for people, where it stands, what it says."""

    name: str
    path: Path
    said: Mapping[Key, Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """One value, as written, and the level that said it."""

    value: Any
    level: Level


Merged: TypeAlias = dict[Key, Setting]


def level(name: str, path: Path, section: Mapping[str, Any] | None) -> Level:
    """What one section says, flattened to keys such as ("ssh", "user")."""
    said = {key: section[key] for key in SETTINGS if key in section} if section else {}
    return Level(name, path, dict(_flatten(said, ())))


def _flatten(value: Mapping[str, Any], prefix: Key) -> Iterator[tuple[Key, Any]]:
    for word, inner in value.items():
        key = (*prefix, word)
        if key in JOINED and isinstance(inner, dict):
            yield from _flatten(inner, key)
        else:
            yield key, inner


def levels_of(tree: Mapping[str, Any], node: str) -> tuple[list[Level], list[Problem]]:
    """The levels that speak for a node (its key as written), weakest first, and what is wrong with them."""
    section = tree["nodes"][node] or {}
    groups, names = tree.get("groups", {}), section.get("groups", [])
    here: Path = ("nodes", node, "groups")
    problems = [
        Problem((*here, index), f"there is no group `{name}`", did_you_mean(name, groups, what="groups"))
        for index, name in enumerate(names)
        if name not in groups
    ]
    problems += [
        Problem((*here, index), f"the group `{name}` twice", "keep it once")
        for index, name in enumerate(names)
        if name in names[:index]
    ]
    own = level(f"node {node}", ("nodes", node), section)
    members = [level(f"group {n}", ("groups", n), groups[n]) for n in dict.fromkeys(names) if n in groups]
    problems += _conflicts(node, members, own)
    return [level("top level", (), tree), *members, own], problems


def _conflicts(node: str, groups: Sequence[Level], own: Level) -> Iterator[Problem]:
    for index, second in enumerate(groups):
        for first in groups[:index]:
            for key in second.said:
                against = next((k for k in first.said if _related(key, k)), None)
                if against is None or any(_related(key, k) for k in own.said):
                    continue
                message = f"`{dotted(key)}` is set by both {first.name} and {second.name}"
                yield Problem(
                    ("nodes", node, "groups"), message, f"set it in node {node}, or in one of the groups"
                )


def _related(one: Key, other: Key) -> bool:
    """Whether two keys speak of the same thing: equal, or one inside the other (`servers`, `servers.per`)."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def merge(levels: Sequence[Level]) -> Merged:
    """The settings that hold, levels given weakest first."""
    merged: Merged = {}
    for source in levels:
        for key, value in source.said.items():
            for weaker in [k for k in merged if _related(k, key)]:
                del merged[weaker]
            merged[key] = Setting(value, source)
    kind = _value(merged, "runtime", "kind")
    if kind in KEYS:  # what a level above says of another kind does not matter here
        merged = {k: s for k, s in merged.items() if k[0] != "runtime" or k[1] in ("kind", *KEYS[kind])}
    return merged


def _value(merged: Merged, *key: str) -> Any:
    setting = merged.get(key)
    return setting.value if setting else None


def nested(merged: Merged) -> dict[str, Any]:
    """The settings as the mapping that the schema reads."""
    tree: dict[str, Any] = {}
    for key, setting in merged.items():
        inner = tree
        for word in key[:-1]:
            inner = inner.setdefault(word, {})
        inner[key[-1]] = setting.value
    return tree


def origins(merged: Merged, lines: Mapping[Path, int]) -> dict[str, Origin]:
    """Where each setting came from, by dotted key."""
    return {
        dotted(key): Origin(
            show(setting.value), setting.level.name, line_of(lines, (*setting.level.path, *key))
        )
        for key, setting in merged.items()
    }


def show(value: Any) -> str:
    """A value as it would be written on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {show(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(show(entry) for entry in value) + "]"
    return str(value)
