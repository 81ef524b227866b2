"""What a measurement looks like: a moving line while it runs, a table or one JSON document at the end."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from distctl.adapters.bench.run import Look, Measured
from distctl.cli.options import Format
from distctl.cli.output import document, note, table, wants_json
from distctl.cli.screen import Screen
from distctl.policy.bench.quantiles import Times
from distctl.policy.bench.tally import StepResult
from distctl.policy.bench.verdict import warnings

if TYPE_CHECKING:
    from distctl.adapters.bench.senders import Target

HEARTBEAT = 5.0  # seconds between two lines of a step without a terminal
PACKAGES = ("distctl", "tritonclient", "aiohttp", "grpcio")
BEGIN = ("step", "requests", "failed", "requests/s")
UNARY = (*BEGIN, "p50", "p90", "p95", "p99", "max")  # 80 columns are enough
STREAM = (*BEGIN, "p50", "p99", "max", "first", "answers/s")
WIDE = (*UNARY, "first p50", "first p99", "answers/s", "generator", "waited")  # the last two of a core


class Watch(Screen):
    """Told how a measurement goes; says so on stderr. Use as a context manager."""

    def __init__(self, steps: int) -> None:
        self._steps, self._done, self._said = steps, 0, 0.0
        super().__init__(moving=sys.stderr.isatty())

    def __call__(self, news: Look | StepResult) -> None:
        """Take a look at a step under way, or its result."""
        if isinstance(news, StepResult):
            self._done, self._said = self._done + 1, 0.0
            self._tell(
                f"{self._place(self._done)} {news.step}: {_speed(news.rate, news.latency, news.failed)}"
            )
            return
        line = f"{self._place(self._done + 1)} {news.step}: {_look(news)}"
        if self._screen:
            from rich.text import Text

            self._screen.update(Text(line))
        elif news.elapsed - self._said >= HEARTBEAT:
            self._said = news.elapsed
            note(line)

    def _tell(self, line: str) -> None:
        """One line that stays, above the one that moves."""
        if self._screen:
            self._screen.console.print(line, markup=False)
        else:
            note(line)

    def _place(self, number: int) -> str:
        return f"[{number} of {self._steps}]"


def _look(look: Look) -> str:
    when = "warming up" if look.elapsed < 0 else f"{look.elapsed:.0f} s of {look.step.seconds:g} s"
    return f"{when}, {_speed(look.rate, look.latency, look.failed)}"


def _speed(rate: float, latency: Times | None, failed: int) -> str:
    p50, p99 = (_milliseconds(latency, name) for name in ("p50", "p99"))
    return f"{rate:.1f}/s, p50 {p50}, p99 {p99} ms, failed {failed}"


def _milliseconds(found: Times | None, name: str) -> str:
    return "-" if found is None else _short(found[name])


def _short(seconds: float) -> str:
    """Milliseconds with three digits that count: more would not come again, and a terminal is narrow."""
    value = seconds * 1000
    return f"{value:.{max(0, 2 - max(0, math.floor(math.log10(value))))}f}" if value > 0 else "0"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is measured: `where` and `origin` say in words where requests go and what is in them."""

    model: str
    target: Target
    where: str
    server: str
    origin: str
    batch: int | None

    def __str__(self) -> str:
        return f"{self.model} by {self.target.protocol} to {self.where} at {self.target.endpoint}"


def show(measured: Measured, asked: Asked, output: Format) -> None:
    """The results on stdout, and on stderr what must be known of them."""
    if wants_json(output):
        from distctl.adapters.machine import machine, package_versions

        body = {
            "model": asked.model,
            "protocol": asked.target.protocol,
            "target": {"what": asked.where, "endpoint": str(asked.target.endpoint), "server": asked.server},
            "data": asked.origin,
            "batch": asked.batch,
            "machine": machine(),
            "versions": package_versions(PACKAGES),
            "interrupted": bool(measured.signal),
            "exit_code": exit_code(measured),
            "steps": [_step_document(result) for result in measured.results],
        }
        document("bench", body)
    else:
        _table(measured, output, stream=asked.target.protocol == "stream")
    for result in measured.results:
        for text in warnings(result):
            note(f"warning: {result.step}: {text}", "yellow")
        for error in result.errors:
            note(f"failed: {result.step}: {error.count} x {error.kind}, such as: {error.example}", "red")


def _table(measured: Measured, output: Format, *, stream: bool) -> None:
    names = WIDE if output is Format.WIDE else STREAM if stream else UNARY
    table(names, [[_cell(result, name) for name in names] for result in measured.results])
    note("times in ms, of answered requests" + ("; first: the median first answer" if stream else ""))


def _cell(result: StepResult, name: str) -> str:
    """One figure by the name of its column."""
    if name.startswith("first"):
        return _milliseconds(result.first, name.partition(" ")[2] or "p50")
    if name.startswith("p"):
        return _milliseconds(result.latency, name)
    return {
        "step": str(result.step),
        "requests": str(result.requests),
        "failed": str(result.failed),
        "requests/s": f"{result.rate:.1f}",
        "max": "-" if result.latency is None else _short(result.latency.longest),
        "answers/s": f"{result.answer_rate:.1f}",
        "generator": f"{result.own.cpu:.0%}",
        "waited": f"{result.own.waited:.0%}",
    }[name]


def _step_document(result: StepResult) -> dict[str, Any]:
    step = result.step
    return {
        "loop": step.loop.value,
        "level": step.level,
        "arrivals": step.arrivals.value if step.loop.value == "open" else None,
        "duration_s": step.seconds,
        "warmup_s": step.warmup,
        "whole": result.whole,
        "requests": result.requests,
        "failed": result.failed,
        "seconds": round(result.seconds, 6),
        "requests_per_second": round(result.rate, 3),
        "answers": result.answers,
        "answers_per_second": round(result.answer_rate, 3),
        "latency_ms": _times_document(result.latency),
        "first_answer_ms": _times_document(result.first),
        "sent_late_ms": _times_document(result.late),
        "histogram_ms": {f"{bound * 1000:.3f}": count for bound, count in result.histogram},
        "generator": {"cores": round(result.own.cpu, 3), "waited": round(result.own.waited, 3)},
        "errors": [{"kind": e.kind, "count": e.count, "example": e.example} for e in result.errors],
        "warnings": list(warnings(result)),
    }


def _times_document(found: Times | None) -> dict[str, float] | None:
    if found is None:
        return None
    values = {"min": found.least, "mean": found.mean, **found.quantiles, "max": found.longest}
    return {name: round(value * 1000, 4) for name, value in values.items()}


def exit_code(measured: Measured) -> int:
    """1 when a request failed or none was measured, 130 and 143 after a signal, else 0."""
    if measured.signal:
        return 128 + measured.signal
    return int(any(result.failed or not result.requests for result in measured.results))


def end(measured: Measured) -> NoReturn:
    """End the command with its exit code. Raises Interrupted after a signal."""
    if measured.signal:
        import signal

        from distctl.errors import Interrupted

        name = signal.Signals(measured.signal).name
        raise Interrupted(
            f"broken off by {name}; what was measured stands above", signal_number=measured.signal
        )
    raise typer.Exit(exit_code(measured))
