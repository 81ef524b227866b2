"""`distctl inventory`: what the file says of a node, and where each setting comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from distctl.cli.options import Format, InventoryFile, Output

if TYPE_CHECKING:
    from distctl.cluster.spec import Node


def inventory(
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
    node: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--node", help="Show every setting of this node and where it comes from."),
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of the file.")] = False,
) -> None:
    """List the nodes, or one node's settings with their origin, or the file's JSON Schema."""
    import json

    from distctl.app.compose import read_inventory
    from distctl.cli.output import document, table, wants_json
    from distctl.errors import InputError

    if schema:
        from distctl.config import json_schema

        typer.echo(json.dumps(json_schema(), indent=2))
        return
    found = read_inventory(inventory)
    if node is not None:
        if node not in found.origins:
            raise InputError(f"{found.file}: there is no node {node!r}", hint="distctl inventory")
        settings = sorted(found.origins[node].items())
        if wants_json(output):
            items = {k: {"value": o.value, "from": o.level, "line": o.line} for k, o in settings}
            document("inventory", {"node": node, "settings": items})
        else:
            shown = [(k, o.value, f"{o.level}" + (f", line {o.line}" if o.line else "")) for k, o in settings]
            table(("setting", "value", "from"), shown)
        return
    rows = [
        (n.name, n.connection.value, n.address, _servers(n), n.runtime.kind.value, _labels(dict(n.labels)))
        for n in found.spec.nodes
    ]
    if wants_json(output):
        keys = ("node", "connection", "address", "servers", "runtime", "labels")
        document(
            "inventory",
            {"cluster": found.spec.cluster, "nodes": [dict(zip(keys, r, strict=True)) for r in rows]},
        )
    else:
        table(("node", "connection", "address", "servers", "runtime", "labels"), rows)


def _servers(node: Node) -> int | str:
    return len(node.servers) if node.per_device is None else f"{node.per_device}; known after the first look"


def _labels(labels: dict[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
