"""What may be said of a node's servers: how many, on which ports, with which GPUs.

Each value is checked by itself here; what `per` and `gpus` say together stands in `division`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from distctl.cluster.spec import MOST_DEVICES
from distctl.config.sections import Section
from distctl.config.values import FirstPort, refuse

MOST_SERVERS = 64  # on one node, where the file gives their number


def _per(value: Any) -> Any:
    if value == "node":
        return 1
    if value in ("gpu", "mig"):
        return value
    hint = "write node (one server), gpu or mig (one for each), or a whole number"
    if isinstance(value, bool) or not isinstance(value, int):
        shown = f"`{value}`" if isinstance(value, str) else "this"
        return refuse(f"{shown} is no number of servers", hint)
    if not 1 <= value <= MOST_SERVERS:
        bound = "at least 1" if value < 1 else f"at most {MOST_SERVERS}"
        return refuse(f"must be {bound}, found {value}", hint)
    return value


_PER_SCHEMA = {
    "anyOf": [
        {"enum": ["node", "gpu", "mig"]},
        {"type": "integer", "minimum": 1, "maximum": MOST_SERVERS},
    ]
}

Per = Annotated[int | Literal["gpu", "mig"], PlainValidator(_per), WithJsonSchema(_PER_SCHEMA)]


_GPU_UUID = re.compile(r"(GPU|MIG)-[0-9A-Za-z/-]+")
_GPUS_HINT = "write all, none, a list of numbers or UUIDs, or a list of such lists"


def _gpu(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_DEVICES:
        return str(value)
    if isinstance(value, str) and _GPU_UUID.fullmatch(value):
        return value
    return refuse(
        f"`{value}` is no GPU", "write its number as nvidia-smi counts, or its UUID (GPU-... or MIG-...)"
    )


def _device_set(value: list[Any]) -> tuple[str, ...]:
    found = tuple(_gpu(entry) for entry in value)
    if not found:
        refuse("an empty list of GPUs", "write none where a server is to see no GPU")
    return found


def _gpus(value: Any) -> Any:
    if value in ("all", "none"):
        return value
    if not isinstance(value, list):
        number = isinstance(value, int) and not isinstance(value, bool)
        hint = f"write [{value}]" if number else _GPUS_HINT
        return refuse(f"`{value}` is no choice of GPUs", hint)
    nested = [isinstance(entry, list) for entry in value]
    if any(nested) and not all(nested):
        return refuse("numbers and lists of GPUs side by side", "write a list for each server: [[0, 1], [2]]")
    return tuple(_device_set(entry) for entry in value) if any(nested) else _device_set(value)


_GPU_LIST_SCHEMA = {
    "type": "array",
    "minItems": 1,
    "items": {
        "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": MOST_DEVICES - 1},
            {"type": "string", "pattern": f"^{_GPU_UUID.pattern}$"},
        ]
    },
}
_GPUS_SCHEMA = {
    "anyOf": [
        {"enum": ["all", "none"]},
        _GPU_LIST_SCHEMA,
        {"type": "array", "minItems": 1, "items": _GPU_LIST_SCHEMA},
    ]
}

Choice: TypeAlias = Literal["all", "none"] | tuple[str, ...] | tuple[tuple[str, ...], ...]
Gpus = Annotated[Choice, PlainValidator(_gpus), WithJsonSchema(_GPUS_SCHEMA)]


class ServersSection(Section):
    """The Triton processes of the node."""

    per: Per | None = Field(
        default=None,
        description="node: one server; gpu or mig: one for each GPU or MIG device; a number: so many",
    )
    ports: FirstPort | None = Field(
        default=None,
        description="the first of three: http, grpc, metrics; the next server has the ten ports after it",
    )
    gpus: Gpus | None = Field(
        default=None,
        description="the GPUs that the servers see: all, none, or numbers or UUIDs: "
        "one for each server in turn, or a list for each",
    )


class NoServers(ServersSection):
    """`servers: none`: a node for routers only."""


def _servers(value: Any) -> Any:
    if value == "none":
        return NoServers(per=None, ports=None, gpus=None)
    if isinstance(value, str):
        return refuse(
            f"`{value}` is not how servers are described", "write none, or {per: node, ports: 9000}"
        )
    return value


_SERVERS_SCHEMA = {
    "description": "the Triton processes of the node, or none",
    "anyOf": [
        {"const": "none"},
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "per": _PER_SCHEMA,
                "ports": {"type": "integer", "minimum": 1, "maximum": 65533},
                "gpus": _GPUS_SCHEMA,
            },
        },
    ],
}

Servers = Annotated[ServersSection, BeforeValidator(_servers), WithJsonSchema(_SERVERS_SCHEMA)]
