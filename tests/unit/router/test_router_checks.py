"""How sharply servers are checked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distctl.policy.checks import CHECKS_PER_SECOND, LAN, WAN, check_times


@pytest.mark.parametrize(
    ("round_trip", "mode", "times"),
    [
        (0.1, "auto", LAN),
        (1.9, "auto", LAN),
        (2.0, "auto", WAN),
        (None, "auto", WAN),
        (50.0, "lan", LAN),
        (None, "lan", LAN),
        (0.1, "wan", WAN),
    ],
)
def test_link_decides_unless_the_operator_did(round_trip: float | None, mode, times) -> None:
    assert check_times(round_trip, 10, mode) == times


@given(st.integers(0, 100_000), st.floats(0.0, 100.0))
def test_checks_never_cost_more_than_a_few_percent_of_a_core(slots: int, round_trip: float) -> None:
    assert slots * 1000 / check_times(round_trip, slots).interval <= CHECKS_PER_SECOND * 1.01


@given(st.integers(0, 100_000), st.integers(0, 100_000))
def test_more_slots_are_never_checked_more_often(one: int, other: int) -> None:
    fewer, more = sorted((one, other))
    assert check_times(0.1, fewer).interval <= check_times(0.1, more).interval
