"""What a stand-in's models do: they keep sequences, and they have a pace."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

NO_START = (
    "inference request for sequence {} to model 'sums' must specify the START flag on the first request"
)
NO_SEQUENCE = "inference request to model 'sums' must specify a non-zero or non-empty correlation ID"


class Sequences:
    """Triton's sequence batcher as far as a client can tell: one START too many waits for a place."""

    def __init__(self, places: int) -> None:
        self.places, self.steps, self.most = places, dict[str, int](), 0
        self.waiting = 0  # the STARTs that hung, ever
        self._free = asyncio.Condition()

    async def step(self, parameters: Mapping[str, Any]) -> int | str:
        """The number of steps so far, or Triton's complaint."""
        if "sequence_id" not in parameters:
            return NO_SEQUENCE
        name = str(parameters["sequence_id"])
        async with self._free:
            if parameters.get("sequence_start"):
                if name not in self.steps and len(self.steps) >= self.places:
                    self.waiting += 1
                    await self._free.wait_for(lambda: len(self.steps) < self.places)
                self.steps[name] = 0
                self.most = max(self.most, len(self.steps))
            elif name not in self.steps:
                return NO_START.format(name)
            self.steps[name] += 1
            count = self.steps[name]
            if parameters.get("sequence_end"):
                del self.steps[name]
                self._free.notify_all()
        return count


class Pace:
    """How long an inference takes and how many go on at once; what was done so far, as Triton counts it."""

    def __init__(self) -> None:
        self.seconds, self.count, self.spent = 0.0, 0, 0.0
        self._at_once = asyncio.Semaphore(1000)

    def set(self, seconds: float, at_once: int) -> None:
        self.seconds, self._at_once = seconds, asyncio.Semaphore(at_once)
        self.count, self.spent = 0, 0.0

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        async with self._at_once:
            began = time.monotonic()
            await asyncio.sleep(self.seconds)
            self.spent += time.monotonic() - began
            self.count += 1
        yield

    def statistics(self, models: Any) -> dict[str, Any]:
        spent = {"count": self.count, "ns": int(self.spent * 1e9)}
        stats = {"success": spent, "compute_infer": spent}
        return {
            "model_stats": [{"name": m, "version": "1", "inference_stats": stats} for m in sorted(models)]
        }


def parameters_of(body: bytes) -> dict[str, Any]:
    """The parameters of a REST request, tensors behind its JSON or not."""
    try:
        found, _ = json.JSONDecoder().raw_decode(body.decode("latin-1"))
    except ValueError:
        return {}
    return found.get("parameters", {}) if isinstance(found, dict) else {}


def grpc_parameters(request: Any) -> dict[str, Any]:
    """The parameters of a gRPC request."""
    return {
        name: getattr(value, value.WhichOneof("parameter_choice"))
        for name, value in request.parameters.items()
    }
