"""What is sent: requests made from a model's configuration, or real ones in the batch that is wanted."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distctl.errors import InputError
from distctl.samples import flat

MOST_ELEMENTS = 16_000_000  # of one made tensor
SEED = 7  # the same data at each run

Request = Mapping[str, Any]  # the body of a KServe v2 inference request
SEQUENCE = {"sequence_id": 1, "sequence_start": True, "sequence_end": True}  # the id is a new one each time


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a model: KServe's datatype, and dimensions without the batch's; -1 is left open."""

    name: str
    datatype: str
    dims: tuple[int, ...]
    optional: bool = False


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What a model wants to be sent. `max_batch` 0: it has no batch dimension."""

    name: str
    inputs: tuple[Input, ...]
    max_batch: int = 0
    sequences: bool = False
    decoupled: bool = False


def model_shape(config: Mapping[str, Any]) -> ModelShape:
    """Triton's model configuration as JSON, from REST or gRPC (which writes 64-bit numbers as text)."""
    inputs = tuple(
        Input(
            item["name"],
            item["data_type"].removeprefix("TYPE_").replace("STRING", "BYTES"),
            tuple(int(dim) for dim in item["dims"]),
            bool(item.get("optional", False)),
        )
        for item in config.get("input", ())
    )
    return ModelShape(
        config["name"],
        inputs,
        int(config.get("max_batch_size", 0)),
        "sequence_batching" in config,
        bool(config.get("model_transaction_policy", {}).get("decoupled", False)),
    )


def shapes(words: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Dimensions by input, of `NAME:1,16`. Raises InputError."""
    found = {}
    for word in words:
        name, _, dims = word.rpartition(":")
        try:
            found[name] = tuple(int(dim) for dim in dims.split(","))
        except ValueError:
            found[name] = ()
        if not name or not found[name] or min(found[name]) < 1:
            raise InputError(f"--shape {word}: not NAME:DIM,DIM", hint="--shape INPUT0:1,16")
    return found


def made(model: ModelShape, given: Mapping[str, tuple[int, ...]], batch: int) -> Request:
    """A request with made-up data for every input that must be there or has a shape given.

    Shapes are without the batch dimension, as perf_analyzer takes them. Raises InputError for a shape that
    does not fit, for an open dimension without one and for a batch that the model does not take.
    """
    unknown = sorted(set(given) - {item.name for item in model.inputs})
    if unknown:
        known = ", ".join(item.name for item in model.inputs)
        raise InputError(f"{model.name} has no input {unknown[0]!r}", hint=f"its inputs: {known}")
    _check_batch(model, batch)
    chance = random.Random(SEED)  # noqa: S311 - data to measure by
    tensors = [
        _tensor(item, _dims(model, item, given.get(item.name)), batch if model.max_batch else 0, chance)
        for item in model.inputs
        if not item.optional or item.name in given
    ]
    return {"inputs": tensors, **({"parameters": SEQUENCE} if model.sequences else {})}


def _dims(model: ModelShape, item: Input, given: tuple[int, ...] | None) -> tuple[int, ...]:
    wants = f"{model.name} wants {item.name} as {_shown(item.dims)}"
    if given is None:
        if -1 in item.dims:
            ones = ",".join("1" if dim == -1 else str(dim) for dim in item.dims)
            raise InputError(f"{wants}: an open dimension has no size", hint=f"--shape {item.name}:{ones}")
        return item.dims
    fits = len(given) == len(item.dims)
    if not fits or any(dim not in (-1, ours) for dim, ours in zip(item.dims, given, strict=True)):
        raise InputError(f"{wants}, not {_shown(given)}", hint="give it without the batch dimension")
    return given


def _shown(dims: Sequence[int]) -> str:
    return f"[{','.join(str(dim) for dim in dims)}]"


def _tensor(item: Input, dims: tuple[int, ...], batch: int, chance: random.Random) -> dict[str, Any]:
    shape = [batch, *dims] if batch else list(dims)
    count = math.prod(shape)
    if count > MOST_ELEMENTS:
        raise InputError(f"{item.name} would have {count} elements", hint=f"at most {MOST_ELEMENTS}")
    data = chance.choices(_values(item.datatype), k=count)
    return {"name": item.name, "datatype": item.datatype, "shape": shape, "data": data}


def _values(datatype: str) -> list[Any]:
    """Small values that most models take, whatever they mean by them."""
    if datatype == "BYTES":
        return [str(number) for number in range(10)]
    if datatype == "BOOL":
        return [False, True]
    if datatype.startswith(("FP", "BF")):
        return [number / 16 for number in range(16)]
    return list(range(10))


def batched(model: ModelShape, request: Request, batch: int | None) -> Request:
    """A real request in a batch: its first row so often; as it is when no batch is wanted.

    Raises InputError for a batch that the model does not take.
    """
    if batch is None:
        return request
    _check_batch(model, batch)
    if not model.max_batch:
        return request
    return {**request, "inputs": [_repeated(item, batch) for item in request["inputs"]]}


def _check_batch(model: ModelShape, batch: int) -> None:
    most = max(1, model.max_batch)
    if batch > most:
        why = f"takes at most {most} in a batch" if model.max_batch else "has no batch dimension"
        raise InputError(f"-b {batch}: {model.name} {why}", hint=f"-b {most}")


def _repeated(item: Mapping[str, Any], batch: int) -> dict[str, Any]:
    try:
        dims = item["shape"][1:]
        row = flat(item["data"])[: math.prod(dims)]
    except (KeyError, TypeError) as error:
        raise InputError("an input of the request has no `shape` or no `data`") from error
    return {**item, "shape": [batch, *dims], "data": row * batch}
