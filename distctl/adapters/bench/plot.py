"""Latency against load as a PNG, by matplotlib, which comes with the extra `distctl[plot]`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from distctl.errors import InputError
from distctl.policy.bench.tally import StepResult

LINES = ("p50", "p95", "p99")


def require(file: Path) -> None:
    """Raise InputError, before anything is measured, when no picture could be written there."""
    if file.suffix != ".png":
        raise InputError(f"--plot {file}: a picture is a .png")
    if not file.absolute().parent.is_dir():
        raise InputError(f"--plot {file}: there is no folder {file.absolute().parent}")
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise InputError(
            "--plot needs matplotlib, which is not installed", hint="pip install 'distctl[plot]'"
        ) from error


def plot(results: Sequence[StepResult], title: str, file: Path) -> None:
    """Write the picture: requests per second to the right, milliseconds up, a dot for each step.

    Raises InputError when the file cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogFormatter

    shown = [(result, result.latency) for result in results if result.latency]
    figure = Figure(figsize=(8, 4.5), dpi=110, layout="constrained")
    axes = figure.add_subplot(xlabel="requests per second", ylabel="latency, ms", title=title)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(LogFormatter())
    axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))  # 2 and 5, in a narrow range
    axes.margins(x=0.06, y=0.15)
    rates = [result.rate for result, _ in shown]
    for name in LINES:
        axes.plot(rates, [latency[name] * 1000 for _, latency in shown], marker="o", label=name)
    for result, latency in shown:
        place = (result.rate, latency["p50"] * 1000)
        axes.annotate(
            str(result.step), place, textcoords="offset points", xytext=(0, -14), ha="center", fontsize=8
        )
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    try:
        figure.savefig(file, format="png")
    except OSError as error:
        raise InputError(f"--plot {file}: {error.strerror}") from error
