"""What servers are asked when: everything in its time, evenly spread, the dead ever less."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distctl.cluster.spec import ServerId
from distctl.policy.asking import (
    EVERYTHING,
    IN_TIME,
    INTERVAL,
    KEPT,
    LATE,
    LONGEST,
    MOST_STRETCHED,
    PATIENT,
    SLOWEST,
    SOON,
    Question,
    brisk,
    due,
    lets_go,
    pause,
    period,
    phase,
    stretched,
)

SERVERS = [ServerId(f"gpu{number:04}", "0") for number in range(1000)]
places = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("servers", "seconds"),
    [(0, 1), (1, 1), (200, 1), (201, 2), (1000, 5), (2000, 10), (4000, 20), (9999, 20)],
)
def test_a_small_cluster_is_asked_everything_each_second(servers: int, seconds: int) -> None:
    assert period(servers) == seconds
    assert seconds > 1 or due(7, 0.3, seconds) == EVERYTHING


@given(places, st.integers(0, 10_000), st.integers(1, SLOWEST))
def test_every_question_comes_once_in_each_period_and_live_in_every_turn(
    place: float, turn: int, every: int
) -> None:
    asked = [due(turn + number, place, every) for number in range(every)]
    counted = Counter(question for questions in asked for question in questions)
    assert counted.pop(Question.LIVE) == every
    assert counted == dict.fromkeys(EVERYTHING - {Question.LIVE}, 1)


def test_a_thousand_servers_are_spread_over_the_second_and_over_the_period() -> None:
    places = [phase(server) for server in SERVERS]
    tenths = Counter(int(place * 10) for place in places)
    assert sorted(tenths) == list(range(10))
    assert max(tenths.values()) < 150
    every = period(len(SERVERS))
    loads = [sum(len(due(turn, place, every)) for place in places) for turn in range(every)]
    assert max(loads) < 1.1 * min(loads)


def test_no_connection_is_kept_for_longer_than_so_many_turns() -> None:
    for server in SERVERS[:50]:
        assert sum(lets_go(turn, phase(server)) for turn in range(3, 3 + KEPT)) == 1


@given(places, st.integers(0, 2000))
def test_the_dead_are_asked_ever_less_but_never_forgotten(place: float, failures: int) -> None:
    assert pause(failures, place) <= 1.2 * LONGEST
    assert pause(failures + 1, place) >= pause(failures, place) or failures < PATIENT
    assert failures >= PATIENT or pause(failures, place) == 1.0


@pytest.mark.parametrize(
    ("took", "seconds"), [(0.0, SOON), (0.02, SOON), (0.1, 0.5), (0.2, INTERVAL), (9, INTERVAL)]
)
def test_a_router_is_asked_often_where_that_costs_little(took: float, seconds: float) -> None:
    assert brisk(took) == pytest.approx(seconds)


@given(st.floats(1, MOST_STRETCHED), st.lists(st.floats(0, 10), max_size=50))
def test_who_is_late_itself_asks_less_often_within_bounds_and_finds_back(
    stretch: float, lates: list[float]
) -> None:
    for late in lates:
        before, stretch = stretch, stretched(stretch, late)
        assert 1.0 <= stretch <= MOST_STRETCHED
        assert (stretch > before or before == MOST_STRETCHED) if late > LATE else stretch <= before
    for _ in range(60):
        stretch = stretched(stretch, IN_TIME / 2)
    assert stretch == 1.0


def test_a_little_late_changes_nothing() -> None:
    assert stretched(2.0, (LATE + IN_TIME) / 2) == 2.0
