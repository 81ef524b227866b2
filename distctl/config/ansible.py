"""Reads an Ansible inventory, INI or YAML: which hosts there are, their groups and variables.

Only what is written in that one file counts. Rules: docs.ansible.com, "How to build your inventory": a
group's variables win over those of its parents, a host's own over its groups', and of groups that are equally
deep the last by name. Variables are text here, as INI has them.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from distctl.errors import InputError

ALL, UNGROUPED = "all", "ungrouped"
MOST = 10_000  # hosts from one pattern

_SECTION = re.compile(r"\[([^:\[\]]+)(?::(children|vars))?\]\s*(?:[#;].*)?")
_RANGE = re.compile(r"\[([0-9]+|[A-Za-z]):([0-9]+|[A-Za-z])(?::([0-9]+))?\]")
_PORT = re.compile(r"(\[[^\]]+\]|[^:]+):([0-9]+)")  # more than one colon and no bracket: an IPv6 address


@dataclass(slots=True)
class Group:
    """A group as it is written."""

    hosts: dict[str, None] = field(default_factory=dict)  # in order
    children: dict[str, None] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Written:
    """Everything that a file says, before groups are joined."""

    own: dict[str, dict[str, str]] = field(default_factory=dict)  # host: its own variables
    groups: dict[str, Group] = field(default_factory=dict)

    def group(self, name: str) -> Group:
        """The group of that name, made when it is first named."""
        return self.groups.setdefault(name, Group())

    def add(self, pattern: str, variables: Mapping[str, str], group: str) -> None:
        """A line of hosts in a group."""
        name, port = pattern, {}
        if match := _PORT.fullmatch(re.sub(_RANGE, _colonless, pattern)):
            name, port = pattern[: -len(match[2]) - 1], {"ansible_port": match[2]}
        if not name:
            raise InputError("a host without a name")
        for host in expand(name):
            self.own.setdefault(host, {}).update({**port, **variables})
            self.group(group).hosts[host] = None


@dataclass(frozen=True, slots=True)
class AnsibleHost:
    """One host: its groups (but `all` and `ungrouped`) from the outermost in, and what holds for it."""

    name: str
    groups: tuple[str, ...]
    variables: Mapping[str, str]


def read(text: str, name: str) -> tuple[AnsibleHost, ...]:
    """The hosts of an inventory in its order. `name` is the file's, for messages and to tell YAML from INI.

    Raises InputError with file and line.
    """
    written = _yaml(text, name) if _is_yaml(text, name) else _ini(text, name)
    return _joined(written, name)


def _is_yaml(text: str, name: str) -> bool:
    if name.endswith((".yml", ".yaml", ".json")):
        return True
    lines = [line for line in text.splitlines() if line.strip() and line.lstrip()[0] not in "#;"]
    return bool(lines) and re.match(r"---|\{|[\w.-]+:\s*(#.*)?$", lines[0]) is not None


def expand(pattern: str) -> list[str]:
    """The hosts of `web[01:50:2]` or `db-[a:f]`, ends included; leading zeros are kept.

    Raises InputError for a range that counts down or stands for too many.
    """
    match = _RANGE.search(pattern)
    if match is None:
        if re.search(r"[\[\]]", pattern) and not re.fullmatch(r"\[[0-9a-fA-F:.]+\]", pattern):
            raise InputError(f"`{pattern}` is no host", hint="a range of Ansible's is written web[01:16]")
        return [pattern]
    items, ends = _range(pattern, match[1], match[2], int(match[3] or 1)), expand(pattern[match.end() :])
    if len(items) * len(ends) > MOST:
        raise InputError(f"`{pattern}` stands for more than {MOST} hosts")
    return [f"{pattern[: match.start()]}{item}{end}" for item in items for end in ends]


def _range(pattern: str, first: str, last: str, step: int) -> list[str]:
    """The numbers or letters from first to last."""
    numbers = first.isdigit()
    if numbers != last.isdigit() or step < 1:
        raise InputError(f"`{pattern}` has a range that cannot be counted")
    low, high = (int(first), int(last)) if numbers else (ord(first), ord(last))
    if not low <= high < low + MOST:
        raise InputError(f"`{pattern}` has a range that counts down, or has more than {MOST} hosts")
    width = len(first) if first.startswith("0") else 0
    return [str(n).zfill(width) if numbers else chr(n) for n in range(low, high + 1, step)]


def _colonless(match: re.Match[str]) -> str:
    return "x" * len(match[0])


def _ini(text: str, name: str) -> Written:
    written = Written()
    group, kind = UNGROUPED, ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line[0] in "#;":
            continue
        if line.startswith("[") and (match := _SECTION.fullmatch(line)):
            group, kind = match[1].strip(), match[2] or ""
            written.group(group)
            continue
        try:
            _ini_line(written, group, kind, line)
        except (InputError, ValueError) as error:
            why = error.message if isinstance(error, InputError) else str(error)
            raise InputError(f"{name}:{number}: {why}", hint=f"the line is: {line}") from error
    return written


def _ini_line(written: Written, group: str, kind: str, line: str) -> None:
    if kind == "vars":
        key, found, value = line.partition("=")
        if not found:
            raise InputError("this is no NAME=VALUE")
        written.group(group).variables[key.strip()] = _unquoted(value.strip())
        return
    first, *words = shlex.split(line, comments=True)
    if kind == "children":
        written.group(group).children[first] = None
        written.group(first)
        return
    if wrong := [word for word in words if "=" not in word]:
        raise InputError(f"`{wrong[0]}` is no NAME=VALUE")
    written.add(first, dict(word.split("=", 1) for word in words), group)


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value


def _yaml(text: str, name: str) -> Written:
    import yaml

    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"{name}: {error}".replace("\n", " ")) from error
    written = Written()
    for group, content in _mapping(tree, name, "the file").items():
        _yaml_group(written, str(group), content, name)
    return written


def _yaml_group(written: Written, name: str, content: Any, file: str) -> None:
    group, said = written.group(name), _mapping(content, file, name)
    group.variables |= _texts(said.get("vars"), file, f"{name}.vars")
    for pattern, variables in _mapping(said.get("hosts"), file, f"{name}.hosts").items():
        written.add(str(pattern), _texts(variables, file, str(pattern)), name)
    for child, inner in _mapping(said.get("children"), file, f"{name}.children").items():
        group.children[str(child)] = None
        _yaml_group(written, str(child), inner, file)


def _mapping(value: Any, file: str, where: str) -> Mapping[Any, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InputError(f"{file}: {where} is no mapping, as an inventory of Ansible's has it")
    return value


def _texts(value: Any, file: str, where: str) -> dict[str, str]:
    return {str(key): str(item) for key, item in _mapping(value, file, where).items()}


def _joined(written: Written, name: str) -> tuple[AnsibleHost, ...]:
    parents: dict[str, set[str]] = {group: set() for group in written.groups}
    for group, content in written.groups.items():
        for child in content.children:
            parents[child].add(group)
    depth = {group: _depth(group, parents, (), name) for group in written.groups}
    found = []
    for host, own in written.own.items():
        direct = [group for group, content in written.groups.items() if host in content.hosts]
        groups = sorted(
            {a for group in direct for a in _ancestors(group, parents)} | {ALL},
            key=lambda g: (depth.get(g, 0), g),
        )
        variables: dict[str, str] = {}
        for group in groups:
            variables |= written.groups[group].variables if group in written.groups else {}
        named = tuple(group for group in groups if group not in (ALL, UNGROUPED))
        found.append(AnsibleHost(host, named, {**variables, **own}))
    return tuple(found)


def _depth(group: str, parents: Mapping[str, set[str]], seen: tuple[str, ...], name: str) -> int:
    if group in seen:
        raise InputError(f"{name}: groups go in a circle: {' -> '.join((*seen, group))}")
    if group == ALL:
        return 0
    return 1 + max((_depth(parent, parents, (*seen, group), name) for parent in parents[group]), default=0)


def _ancestors(group: str, parents: Mapping[str, set[str]]) -> set[str]:
    return {group}.union(*(_ancestors(parent, parents) for parent in parents[group]))
