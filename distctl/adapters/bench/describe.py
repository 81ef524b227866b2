"""What the target says of itself and of the model before anything is sent to be measured."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from distctl.adapters.bench.senders import Target, failure
from distctl.errors import DistctlError, TritonError
from distctl.policy.bench.data import ModelShape, model_shape

PATIENCE = 10.0  # seconds for an answer to either question


@dataclass(frozen=True, slots=True)
class Described:
    """The model, and the server's name and version such as `triton 2.51.0`."""

    model: ModelShape
    server: str


def describe(target: Target, model: str) -> Described:
    """Ask the target for the model's configuration. Raises TritonError when it does not answer with one."""
    try:
        return asyncio.run(_ask(target, model))
    except DistctlError:
        raise
    except Exception as error:
        raise TritonError(f"{model} at {target.endpoint}: {failure(error)}", hint="distctl status") from error


async def _ask(target: Target, model: str) -> Described:
    if target.protocol == "http":
        import tritonclient.http.aio as client

        endpoint, said = str(target.endpoint), dict(target.headers)
        async with client.InferenceServerClient(endpoint, conn_timeout=PATIENCE, **target.rest) as http:
            config = await http.get_model_config(model, headers=said)
            return _described(config, await http.get_server_metadata(headers=said))
    import tritonclient.grpc.aio as client

    how: dict[str, Any] = {"as_json": True, "client_timeout": PATIENCE, "headers": dict(target.headers)}
    async with client.InferenceServerClient(str(target.endpoint), **target.grpc) as grpc:
        config = await grpc.get_model_config(model, **how)
        return _described(config["config"], await grpc.get_server_metadata(**how))


def _described(config: Mapping[str, Any], server: Mapping[str, Any]) -> Described:
    return Described(model_shape(config), f"{server['name']} {server['version']}")
