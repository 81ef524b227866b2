"""Spec and nodes as JSON for the record: strict on what people write, lenient on what is stored."""

from __future__ import annotations

import json
from functools import cache

from pydantic import TypeAdapter

from distctl.cluster.spec import Node, RouterSpec, Spec


@cache
def _node() -> TypeAdapter[Node]:
    return TypeAdapter(Node)


@cache
def _spec() -> TypeAdapter[Spec]:
    return TypeAdapter(Spec)


@cache
def _routers() -> TypeAdapter[tuple[RouterSpec, ...]]:
    return TypeAdapter(tuple[RouterSpec, ...])


def node_document(node: Node) -> str:
    """A node as JSON."""
    return _node().dump_json(node).decode()


@cache
def node_from(document: str) -> Node:
    """The node that was written. Unknown keys of a later version are ignored."""
    return _node().validate_json(document)


def spec_document(spec: Spec) -> str:
    """A spec as JSON, the same bytes for the same spec."""
    return _spec().dump_json(spec).decode()


def routers_from(document: str) -> tuple[RouterSpec, ...]:
    """The routers of a spec that was written."""
    return _routers().validate_python(json.loads(document).get("routers", []))


def spec_from(document: str) -> Spec:
    """The spec that was written. Unknown keys of a later version are ignored."""
    return _spec().validate_json(document)
