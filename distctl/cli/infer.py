"""`distctl infer`: one request through the router, with its answer, its node and its time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from distctl.cli import names
from distctl.cli.options import Format, InventoryFile, KeyFile, Output, OwnCertificate


def infer(
    model: Annotated[str, typer.Argument(help="The model's name.", autocompletion=names.models)],
    inventory: InventoryFile = None,
    output: Output = Format.TABLE,
    file: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--input", help="A KServe v2 request as JSON; absent: the model's own sample."),
    ] = None,
    grpc: Annotated[bool, typer.Option("--grpc", help="By gRPC instead of HTTP.")] = False,
    timeout: Annotated[str, typer.Option(help="How long the answer may take.")] = "60s",
    key_file: KeyFile = None,
    certificate: OwnCertificate = None,
) -> None:
    """Send a request through the router and show the answer, the server that gave it, and the time."""
    from distctl.app.entrance import Identity, read_key
    from distctl.app.use import infer_once, request_for, require_model
    from distctl.cli.output import document, note, wants_json
    from distctl.cli.running import opened, seconds

    with opened(inventory) as session:
        require_model(session, model)
        sample = request_for(session, model, file)
        identity = Identity(read_key(key_file, os.environ.get("DISTCTL_KEY", "")), certificate)
        limit = seconds(timeout) or 60.0
        answer = infer_once(session, model, sample, grpc=grpc, timeout=limit, identity=identity)
    body: dict[str, Any] = {
        "model": model,
        "protocol": "grpc" if grpc else "http",
        "endpoint": str(answer.endpoint),
        "node": answer.server.node if answer.server else "",
        "server": str(answer.server or ""),
        "milliseconds": round(answer.seconds * 1000, 2),
        "outputs": answer.outputs,
        "expected": dict(sample.expected),
    }
    if wants_json(output):
        document("infer", body)
        return
    if sample.about:
        note(f"asked: {sample.about}")
    for tensor in sample.request["inputs"]:
        if tensor.get("datatype") == "BYTES":
            note(f"{tensor['name']}: {_short(tensor.get('data', []))}")
    for name, values in answer.outputs.items():
        expected = f"   (expected {sample.expected[name]})" if name in sample.expected else ""
        typer.echo(f"{name}: {_short(values)}{expected}")
    by = f" from {answer.server}" if answer.server else ""
    note(f"answered{by} by {body['protocol']} at {answer.endpoint} in {body['milliseconds']} ms")


def _short(values: list[Any], most: int = 16) -> str:
    shown = ", ".join(f"{v:.4g}" if isinstance(v, float) else str(v) for v in values[:most])
    return f"[{shown}{', ...' if len(values) > most else ''}]"
