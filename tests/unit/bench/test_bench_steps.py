"""A sweep is what was asked for within its bounds, and the schedule of an open loop keeps its rate."""

from __future__ import annotations

from itertools import pairwise
from statistics import fmean, pstdev

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distctl.errors import InputError
from distctl.policy.bench.arrivals import due
from distctl.policy.bench.step import MOST_IN_FLIGHT, Arrivals, Bounds, Loop, Step, sweep

BOUNDS = Bounds(10.0, None, 1.0, Arrivals.POISSON)


def test_without_a_level_one_client_asks() -> None:
    (step,) = sweep(None, None, BOUNDS)
    assert (step.loop, step.level, step.seconds, step.warmup) == (Loop.CLOSED, 1, 10.0, 1.0)


def test_a_sweep_has_a_step_for_each_level_in_the_order_given() -> None:
    assert [str(step) for step in sweep("16,1,4", None, BOUNDS)] == ["16 clients", "1 client", "4 clients"]
    assert [str(step) for step in sweep(None, "50,0.5", BOUNDS)] == ["50/s", "0.5/s"]


def test_a_closed_loop_needs_a_connection_for_each_client_and_an_open_one_room() -> None:
    assert [step.connections for step in (*sweep("7", None, BOUNDS), *sweep(None, "1", BOUNDS))] == [
        7,
        MOST_IN_FLIGHT,
    ]


@pytest.mark.parametrize(
    ("concurrency", "rate", "bounds", "said"),
    [
        ("1", "50", BOUNDS, "two kinds"),
        ("1,x", None, BOUNDS, "not numbers"),
        ("1.5", None, BOUNDS, "not numbers"),
        ("0", None, BOUNDS, "not within 1 to 512"),
        ("513", None, BOUNDS, "not within 1 to 512"),
        (None, "nan", BOUNDS, "not within"),
        (None, "inf", BOUNDS, "not within"),
        (None, "-1", BOUNDS, "not within"),
        (",".join("1" * 51), None, BOUNDS, "at most 50"),
        ("1", None, Bounds(601.0, None, 1.0, Arrivals.POISSON), "up to 600s"),
        ("1", None, Bounds(0.0, None, 1.0, Arrivals.POISSON), "up to 600s"),
        ("1", None, Bounds(1.0, 0, 1.0, Arrivals.POISSON), "--requests 0"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason(
    concurrency: str | None, rate: str | None, bounds: Bounds, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        sweep(concurrency, rate, bounds)


levels = st.floats(0.5, 2000)
kinds = st.sampled_from(Arrivals)


@settings(deadline=None)  # up to 10,000 instants, on whatever machine
@given(levels, st.floats(0.1, 5), st.floats(0, 2), st.integers(1, 500), kinds)
def test_a_schedule_is_ascending_and_its_counted_part_has_the_rate_that_was_asked_for(
    level: float, seconds: float, warmup: float, requests: int, kind: Arrivals
) -> None:
    step = Step(Loop.OPEN, level, seconds, requests, warmup, kind)
    instants = list(due(step))
    counted = [at for at in instants if at >= warmup]
    assert instants == sorted(instants)
    assert len(counted) == step.due == min(requests, max(1, round(level * seconds)))
    assert max(counted) <= warmup + step.planned
    assert step.planned * level == pytest.approx(len(counted))


def test_constant_arrivals_are_equally_far_apart() -> None:
    step = Step(Loop.OPEN, 100, 2.0, arrivals=Arrivals.CONSTANT)
    gaps = [b - a for a, b in pairwise(due(step))]
    assert min(gaps) == pytest.approx(0.01)
    assert max(gaps) == pytest.approx(0.01)


def test_poisson_arrivals_have_gaps_as_irregular_as_an_exponential_distribution() -> None:
    gaps = [b - a for a, b in pairwise(due(Step(Loop.OPEN, 1000, 10.0, warmup=0.0)))]
    assert fmean(gaps) == pytest.approx(0.001, rel=0.01)
    assert pstdev(gaps) == pytest.approx(fmean(gaps), rel=0.05)  # the mark of an exponential distribution


def test_two_runs_have_the_same_schedule() -> None:
    step = Step(Loop.OPEN, 100, 1.0)
    assert list(due(step)) == list(due(step))
