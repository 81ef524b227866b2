"""Spec and nodes as JSON for the record: strict on what people write, lenient on what is stored."""

from __future__ import annotations

from functools import cache

from pydantic import TypeAdapter

from distctl.cluster.spec import Node, Spec


@cache
def _node() -> TypeAdapter[Node]:
    return TypeAdapter(Node)


@cache
def _spec() -> TypeAdapter[Spec]:
    return TypeAdapter(Spec)


def node_document(node: Node) -> str:
    """A node as JSON."""
    return _node().dump_json(node).decode()


def node_from(document: str) -> Node:
    """The node that was written. Unknown keys of a later version are ignored."""
    return _node().validate_json(document)


def spec_document(spec: Spec) -> str:
    """A spec as JSON, the same bytes for the same spec."""
    return _spec().dump_json(spec).decode()


def spec_from(document: str) -> Spec:
    """The spec that was written. Unknown keys of a later version are ignored."""
    return _spec().validate_json(document)
