"""Quantiles are numpy's, histograms lose nothing, and figures know what they cannot say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distctl.policy.bench.quantiles import QUANTILES, histogram, quantile, times
from distctl.policy.bench.step import Loop, Step
from distctl.policy.bench.tally import Answer, Failed, Own, StepResult, Tally, result
from distctl.policy.bench.verdict import warnings

some_times = st.lists(st.floats(1e-6, 600), min_size=1, max_size=200)
CLOSED, OPEN = Step(Loop.CLOSED, 4, 10.0), Step(Loop.OPEN, 100, 10.0)


@given(some_times, st.floats(0, 1))
def test_a_quantile_is_numpys(values: list[float], part: float) -> None:
    assert quantile(sorted(values), part) == pytest.approx(float(np.quantile(values, part)))


@given(some_times)
def test_times_agree_with_numpy(values: list[float]) -> None:
    found = times(values)
    assert found is not None
    assert (found.count, found.least, found.longest) == (len(values), min(values), max(values))
    assert found.mean == pytest.approx(float(np.mean(values)))
    for name, part in QUANTILES.items():
        assert found[name] == pytest.approx(float(np.quantile(values, part)))


def test_no_times_come_to_nothing() -> None:
    assert times([]) is None
    assert histogram([]) == ()


@given(some_times)
def test_a_histogram_holds_every_time_below_its_bound(values: list[float]) -> None:
    found = histogram(values)
    assert sum(count for _, count in found) == len(values)
    below = 0
    for bound, count in found:
        below += count
        assert sum(value <= bound * (1 + 1e-9) for value in values) >= below


def measured(step: Step, latencies: list[float], *, failed: int = 0, cpu: float = 0.1) -> StepResult:
    """Requests meant at equal distances over the step's time."""
    tally = Tally(1.0)
    for number, latency in enumerate(latencies):
        meant = 1.0 + step.seconds * number / len(latencies)
        tally.answered(meant, meant, Answer(meant + latency / 2, 3), meant + latency)
    for _ in range(failed):
        tally.lost(1.0, Failed("HTTP 503", "queue is full"), 1.1)
    return result(step, tally, Own(cpu))


def test_the_warm_up_is_in_no_figure() -> None:
    tally = Tally(10.0)
    tally.answered(9.99, 9.99, Answer(12.0), 12.0)
    tally.lost(9.0, Failed("timeout", "cold"), 11.0)
    tally.answered(10.0, 10.0, Answer(10.2), 10.5)
    found = result(CLOSED, tally, Own(0.0))
    assert (found.requests, found.failed, found.seconds) == (1, 0, 0.5)
    assert found.latency is not None
    assert found.latency.longest == 0.5


def test_a_closed_loop_is_measured_from_its_first_request_to_its_last_answer() -> None:
    found = measured(CLOSED, [2.0] * 5)  # at 1, 3, 5, 7 and 9
    assert (found.seconds, found.rate, found.answer_rate) == (10.0, 0.5, 1.5)


def test_an_open_loop_lasts_as_long_as_it_was_asked_to() -> None:
    assert measured(OPEN, [0.001] * 1000).rate == pytest.approx(100)


def test_failures_are_counted_by_kind_with_what_was_said_first() -> None:
    tally = Tally(0.0)
    for kind, words in (("timeout", "a"), ("HTTP 503", "b"), ("HTTP 503", "c")):
        tally.lost(1.0, Failed(kind, words), 2.0)
    found = result(CLOSED, tally, Own(0.0))
    assert [(e.kind, e.count, e.example) for e in found.errors] == [("HTTP 503", 2, "b"), ("timeout", 1, "a")]
    assert (found.requests, found.failed, found.rate, found.latency) == (3, 3, 0.0, None)


def test_the_first_answer_has_a_time_of_its_own() -> None:
    found = measured(CLOSED, [0.4] * 8)
    assert found.first is not None
    assert found.first["p50"] == pytest.approx(0.2)


GOOD = measured(OPEN, [0.01] * 1000)
GROWING = measured(OPEN, [0.01 + number * 0.005 for number in range(1000)])


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (GOOD, ""),
        (measured(CLOSED, [0.01] * 100), ""),
        (replace(GOOD, own=Own(0.5, 0.29)), ""),
        (replace(GOOD, own=Own(0.81)), "used 81% of a core"),
        (replace(GOOD, own=Own(0.5, 0.31)), "waited 31% of the time for one"),
        (replace(GOOD, late=times([0.02] * 100)), "20.0 ms after its time"),
        (replace(GOOD, late=times([0.0009] * 100)), ""),
        (GROWING, "more than the target answers"),
        (replace(GROWING, whole=False), ""),
        (replace(GROWING, step=CLOSED), ""),
        (measured(OPEN, []), "no request began after the warm-up"),
    ],
)
def test_a_reader_is_warned_of_what_the_figures_hide(found: StepResult, said: str) -> None:
    texts = warnings(found)
    assert len(texts) == (1 if said else 0), texts
    assert all(said in text for text in texts)
