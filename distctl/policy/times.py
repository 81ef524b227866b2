"""The time-outs that hold for requests, in words: what is shown before anything is changed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from distctl.cluster.router import NO_TIMEOUTS
from distctl.cluster.spec import Admission, ModelSpec, RequestTimeouts
from distctl.config.units import show_duration

QUEUE = 30.0  # seconds: the router's own, for a model that names none


def request_times(models: Iterable[ModelSpec]) -> Iterator[str]:
    """A line for what most requests get, and one for each model that differs; none is left out."""
    yield f"time-outs of requests: {_line(NO_TIMEOUTS)}"
    for model in models:
        if model.timeouts != NO_TIMEOUTS or model.admission:
            yield f"time-outs of requests to {model.name}: {_line(model.timeouts, model.admission)}"


def _line(times: RequestTimeouts, admission: Admission | None = None) -> str:
    usual = admission.wait if admission else QUEUE
    queue = usual if times.queue is None else times.queue
    parts = {
        "connect": "as measured" if times.connect is None else show_duration(times.connect),
        "queue": show_duration(queue),
        "first": show_duration(times.answer),
        "total": show_duration(times.total),
        "idle": f"{show_duration(times.silence)} (streams)",
    }
    return ", ".join(f"{word} {value}" for word, value in parts.items())
