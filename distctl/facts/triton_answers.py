"""What Triton answers over HTTP, as data: the repository index, statistics and metrics.

Metrics are Prometheus's text. Its client library's parser reads everything and needs 0.8 ms for the 5 KB of
one server, which would be a core for a thousand of them; the expression here reads the lines that matter in
a twentieth of that. Names and units: docs/user_guide/metrics.md of triton-inference-server/server.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from distctl.cluster.snapshot import GpuUse, ModelState, ReplicaSight, Service, Use
from distctl.errors import TritonError


def _name(entry: Mapping[str, object]) -> str:
    name = entry["name"]
    if not isinstance(name, str):
        raise TypeError(f"a model's name is a text, not {name!r}")
    return name


def parse_index(text: bytes) -> dict[str, ReplicaSight]:
    """The repository index: the state of each model, of its best version where it has several.

    Raises TritonError when it is not an index.
    """
    try:
        found: dict[str, ReplicaSight] = {}
        for entry in json.loads(text):
            state = ModelState(entry.get("state") or ModelState.ABSENT)
            sight = ReplicaSight(state, " ".join(entry.get("reason", "").split()))
            best = found.get(_name(entry))
            if best is None or _RANK.index(state) < _RANK.index(best.state):
                found[_name(entry)] = sight
    except _UNREADABLE as error:
        raise TritonError(f"this is no repository index: {text[:80]!r}") from error
    return found


def parse_statistics(text: bytes) -> dict[str, Service]:
    """What was done for each model that is ready, its versions together. Raises TritonError."""
    try:
        found: dict[str, Service] = {}
        for entry in json.loads(text)["model_stats"]:
            before, now = found.get(_name(entry), Service()), _service(entry.get("inference_stats", {}))
            found[_name(entry)] = _together(before, now)
    except _UNREADABLE as error:
        raise TritonError(f"this is no statistics: {text[:80]!r}") from error
    return found


def _service(stats: Mapping[str, Mapping[str, int]]) -> Service:
    """Input, inference and output of what succeeded; an answer from the response cache costs nothing."""

    def seconds(*parts: str) -> float:
        return sum(stats.get(part, {}).get("ns", 0) for part in parts) / 1e9

    return Service(
        count=int(stats.get("compute_infer", {}).get("count", 0)),
        seconds=seconds("compute_input", "compute_infer", "compute_output"),
        waited=seconds("queue"),
        failed=int(stats.get("fail", {}).get("count", 0)),
    )


def _together(one: Service, two: Service) -> Service:
    return Service(
        one.count + two.count, one.seconds + two.seconds, one.waited + two.waited, one.failed + two.failed
    )


@dataclass(frozen=True, slots=True)
class Metrics:
    """What a server's metrics say: requests that wait in it, by model, and of its machine and GPUs."""

    pending: Mapping[str, int] = field(default_factory=dict)
    use: Use = field(default_factory=Use)

    @property
    def gpus(self) -> tuple[str, ...]:
        """The UUIDs of the GPUs that the server sees, each once."""
        return tuple(self.use.gpus)


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    labels: Mapping[str, str]
    value: float


def parse_metrics(text: str) -> Metrics:
    """A server's metrics. Raises TritonError when they are none of Triton's."""
    if "nv_" not in text:
        raise TritonError(f"these are no metrics of Triton: {text[:80]!r}")
    lines = tuple(_lines(text))
    plain = {line.name: line.value for line in lines if not line.labels}
    pending: dict[str, int] = {}
    for line in lines:
        if line.name == "nv_inference_pending_request_count" and "model" in line.labels:
            model = line.labels["model"]
            pending[model] = pending.get(model, 0) + int(line.value)
    return Metrics(
        pending,
        Use(
            cpu=plain.get("nv_cpu_utilization"),
            used=int(plain.get("nv_cpu_memory_used_bytes", 0)),
            total=int(plain.get("nv_cpu_memory_total_bytes", 0)),
            gpus=_gpus(lines),
        ),
    )


def _gpus(lines: Iterable[_Line]) -> dict[str, GpuUse]:
    """Each GPU that a line of its own names; a model's counter may carry the label as well."""
    found: dict[str, dict[str, float]] = {}
    for line in lines:
        if line.name.startswith("nv_gpu_") and "gpu_uuid" in line.labels:
            found.setdefault(line.labels["gpu_uuid"], {})[line.name.removeprefix("nv_gpu_")] = line.value
    return {
        uuid: GpuUse(
            said.get("utilization", 0.0),
            int(said.get("memory_used_bytes", 0)),
            int(said.get("memory_total_bytes", 0)),
        )
        for uuid, said in found.items()
    }


def _lines(text: str) -> Iterator[_Line]:
    """The lines that are read; what has no finite value says nothing."""
    for name, labels, number in _METRIC.findall(text):
        try:
            value = float(number)
        except ValueError:
            continue
        if math.isfinite(value):
            yield _Line(name, dict(_LABEL.findall(labels)), value)


# RecursionError: an answer of a hundred thousand brackets; OverflowError: a count of 1e999.
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError)

# No part of it looks twice at the same text, so that no answer, however made, takes long.
_METRIC = re.compile(
    r"^(nv_(?:gpu_\w+|inference_pending_request_count|cpu_utilization|cpu_memory_(?:used|total)_bytes))"
    r'(?:\{((?:[^"}\n]|"(?:[^"\\\n]|\\.)*")*)\})? (\S+)',
    re.MULTILINE,
)
_LABEL = re.compile(r'(?<!\w)(\w+)="((?:[^"\\]|\\.)*)"')
_RANK = (
    ModelState.READY,
    ModelState.LOADING,
    ModelState.UNLOADING,
    ModelState.UNAVAILABLE,
    ModelState.ABSENT,
)
