"""A first inventory as text: nodes that were named, or found in what another tool keeps."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from distctl.config.scalars import resolve
from distctl.config.values import LOCAL, LONGEST_NAME, is_node_name

_HEAD = """\
# One file is one cluster. Every key, with its meaning: `distctl inventory --schema`.
version: 1
cluster: {cluster}
"""
_TAIL = """
models:
  digits:
    source: model_repo/digits   # a folder beside this file: pushed to the nodes
    replicas: {replicas}

routers:
  main:
    on: [{router}]
"""
_PLAIN = re.compile(r"[A-Za-z0-9_~/.][\w./@~+-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Draft:
    """Nodes with what is said of each, and `notes`: what could not be taken over, and why."""

    nodes: Mapping[str, Mapping[str, Any]]
    notes: tuple[str, ...] = ()
    groups: tuple[str, ...] = field(default=())


HERE = Draft(
    {
        "n1": {"connection": "local", "servers": {"ports": 9000}},
        "n2": {"connection": "local", "servers": {"ports": 9100}},
    }
)


def render(draft: Draft, cluster: str, *, router: str) -> str:
    """The inventory's text, with the sample model on each node and one router."""
    shared = _shared(draft.nodes.values())
    parts = [_HEAD.format(cluster=cluster)]
    if shared:
        parts.append("\n" + _block("ssh", shared))
    if draft.groups:  # a label each, so that a model can say `where: {GROUP: member}`
        parts.append("\n" + _block("groups", {name: {"labels": {name: "member"}} for name in draft.groups}))
    parts.append("\n" + _block("nodes", {name: _less(said, shared) for name, said in draft.nodes.items()}))
    parts.append(_TAIL.format(replicas=max(1, len(draft.nodes)), router=router))
    return "".join(parts)


def node_names(names: Sequence[str]) -> dict[str, str]:
    """A node's name for each machine's: its first part where that is no other's too, in small letters.

    Machines whose names cannot be told apart that way are left out.
    """
    short = {name: _safe(name if _is_ip(name) else name.partition(".")[0]) for name in names}
    whole = {name: _safe(name) for name in names}
    chosen = {n: short[n] if list(short.values()).count(short[n]) == 1 else whole[n] for n in names}
    taken = list(chosen.values())
    return {
        n: node
        for n, node in chosen.items()
        if is_node_name(node) and node != LOCAL and taken.count(node) == 1
    }


def _safe(name: str) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")[:LONGEST_NAME].rstrip("-")


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _shared(nodes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What every node that ssh reaches says of ssh alike."""
    said = [node.get("ssh", {}) for node in nodes if node.get("connection") != "local"]
    if len(said) < 2:  # noqa: PLR2004 - nothing is shared by one
        return {}
    return {key: value for key, value in said[0].items() if all(ssh.get(key) == value for ssh in said)}


def _less(node: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    ssh = {key: value for key, value in node.get("ssh", {}).items() if key not in shared}
    return {key: ssh if key == "ssh" else value for key, value in node.items() if key != "ssh" or ssh}


def _block(title: str, items: Mapping[str, Any]) -> str:
    return f"{title}:\n" + "".join(f"  {_flow(key)}: {_flow(value)}\n" for key, value in items.items())


def _flow(value: Any) -> str:
    """A value on one line of YAML; text without quotes where every reader takes it for text."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_flow, value)) + "]"
    plain = isinstance(value, str) and _PLAIN.fullmatch(value) and resolve(value) == (value, None)
    return str(value) if plain else json.dumps(value)
