"""NVIDIA's perf_analyzer, told to do what `distctl bench` was told: command lines and its data file.

Options as https://github.com/triton-inference-server/perf_analyzer/blob/main/docs/cli.md has them. One
command a step, since its ranges are linear. It decides itself when a figure is stable: `--duration` is the
length of one of its measurements, and `--warmup` has no equal.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distctl.cluster.spec import Endpoint
from distctl.policy.bench.step import MOST_REQUESTS, Loop, Step
from distctl.samples import flat

PROGRAM = "perf_analyzer"


def command(
    step: Step, *, model: str, endpoint: Endpoint, protocol: str, batch: int, data: Path
) -> tuple[str, ...]:
    """The command line of one step; `protocol` is http, grpc or stream, `data` what `input_data` gave."""
    words = [PROGRAM, "-m", model, "-u", str(endpoint), "-i", "http" if protocol == "http" else "grpc"]
    words += ["--streaming"] if protocol == "stream" else []
    words += ["-b", str(batch), "--input-data", str(data)]
    if step.loop is Loop.CLOSED:
        words += ["--concurrency-range", f"{step.level:g}"]
    else:
        words += ["--request-rate-range", f"{step.level:g}", "--request-distribution", step.arrivals.value]
    if step.requests < MOST_REQUESTS:
        return (*words, "--request-count", str(step.requests))
    return (*words, "--measurement-interval", f"{step.seconds * 1000:.0f}")


def input_data(requests: Sequence[Mapping[str, Any]], *, batches: bool) -> str:
    """The data file for some requests.

    Of models with `batches` it has the first row of each, since perf_analyzer makes the batch itself.
    """
    return json.dumps({"data": [_row(request["inputs"], 1 if batches else 0) for request in requests]})


def _row(inputs: Sequence[Mapping[str, Any]], skip: int) -> dict[str, Any]:
    found = {}
    for item in inputs:
        dims = item["shape"][skip:]
        found[item["name"]] = {"content": flat(item["data"])[: math.prod(dims)], "shape": dims}
    return found
