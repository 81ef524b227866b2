"""From what requests cost on each server to the share that each is given: tables."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distctl.cluster.record import Record
from distctl.cluster.snapshot import Service
from distctl.cluster.spec import ServerId
from distctl.policy.weights import LEAST, MOST, measured_of, weight_facts, weights, weights_of

A, B, C = (ServerId(name, "0") for name in "abc")


def done(milliseconds: float, count: int = 1000) -> Service:
    return Service(count, milliseconds * count / 1000)


def found(before: dict[ServerId, int], use: dict[ServerId, float] | None = None, **milliseconds: float):
    measured = {ServerId(name, "0"): done(each) for name, each in milliseconds.items()}
    return {w.server: w.after for w in weights("m", measured, before, use)}


def test_a_server_three_times_as_slow_gets_a_third() -> None:
    assert found({A: 100, B: 100}, a=18, b=58) == {A: 150, B: 50}


@pytest.mark.parametrize(
    ("a", "b"), [(20, 20), (20, 24), (0.2, 0.6)], ids=["equal", "nearly equal", "both quick: noise"]
)
def test_what_is_not_clearly_different_changes_nothing(a: float, b: float) -> None:
    assert found({A: 100, B: 100}, a=a, b=b) == {}


def test_weights_that_fit_stay_although_the_measure_moves() -> None:
    assert found({A: 150, B: 50}, a=18, b=58) == {}
    assert found({A: 150, B: 50}, a=20, b=55) == {}
    assert found({A: 150, B: 50}, a=20, b=20) == {A: 100, B: 100}


def test_one_that_was_not_measured_keeps_the_weight_of_an_average_one() -> None:
    assert found({A: 100, B: 100, C: 100}, a=18, b=58) == {A: 150, B: 50}


def test_few_requests_judge_nobody() -> None:
    measured = {A: done(20, 99), B: done(60)}
    assert weights("m", measured, {A: 100, B: 100}) == ()
    assert len(weights("m", {**measured, A: done(20, 100)}, {A: 100, B: 100})) == 2


def test_a_server_without_a_replica_that_takes_requests_is_left_alone() -> None:
    assert found({A: 100}, a=20, b=60) == {}


def test_a_busy_processor_takes_a_part_of_the_share() -> None:
    assert found({A: 100, B: 100}, {A: 0.85, B: 0.5}, a=20, b=20) == {}
    assert found({A: 130, B: 70}, {A: 1.0, B: 0.5}, a=20, b=20) == {A: 86, B: 114}


def test_a_change_says_why() -> None:
    slow = next(w for w in weights("m", {A: done(20), B: done(60)}, {A: 100, B: 100}) if w.server == B)
    assert (slow.before, slow.after, slow.why) == (100, 52, "60.0 ms a request")


@given(st.lists(st.floats(0.1, 1e5), min_size=2, max_size=6))
def test_weights_are_in_bounds_fall_with_the_time_and_then_rest(times: list[float]) -> None:
    servers = [ServerId(f"n{n}", "0") for n in range(len(times))]
    measured = dict(zip(servers, map(done, times), strict=True))
    before = dict.fromkeys(servers, 100)
    after = before | {w.server: w.after for w in weights("m", measured, before)}
    assert all(LEAST <= weight <= MOST for weight in after.values())
    order = sorted(servers, key=lambda s: measured[s].each)
    if after != before:
        assert all(after[quick] >= after[slow] for quick, slow in pairwise(order))
    assert weights("m", measured, after) == ()


def test_weights_are_kept_among_the_facts_of_their_nodes() -> None:
    changed = weights("m.x", {A: done(18), B: done(58)}, {A: 100, B: 100})
    facts = weight_facts(changed)
    record = Record(id="r", facts={**facts, "c": {"weight.other/0": "7", "os": "linux"}})
    assert weights_of(record, "m.x") == {A: 150, B: 50}
    assert weights_of(record, "m") == {}
    assert measured_of({**facts["a"], "servers.round_trip": "0.3", "os": "linux"}) == {
        **facts["a"],
        "servers.round_trip": "0.3",
    }
