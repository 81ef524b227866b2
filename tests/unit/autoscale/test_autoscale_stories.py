"""What a count does under steps, ramps, bursts, silence and days, in virtual time."""

from __future__ import annotations

import itertools
import math
import time
from datetime import datetime, timezone

import pytest

from distctl.cluster.spec import Autoscale, Schedule
from distctl.policy.autoscale.memory import Target
from distctl.policy.autoscale.virtual import Virtual

QUICK = Autoscale(1, 20, down_after=60.0)  # Knative's windows, and a shorter delay


def changes(counts: list[int]) -> list[int]:
    """The counts without repetitions."""
    return [count for count, _ in itertools.groupby(counts)]


def test_a_step_is_a_burst_and_is_followed_within_two_looks_of_the_panic_window() -> None:
    model = Virtual(QUICK)
    model.run(120, lambda _: 8)
    assert model.count == 1
    counts = model.run(8, lambda _: 80)
    assert counts[-1] == 8 and "burst" in model.told[-1][2]  # Knative: panic window of 6 s
    assert changes(model.run(300, lambda _: 80)) == [8]


def test_a_small_step_takes_the_stable_window_and_no_panic() -> None:
    model = Virtual(QUICK, count=4)
    model.run(200, lambda _: 38)
    began = model.now
    model.run(120, lambda _: 58)
    (at, count, why), *rest = model.told
    assert (count, rest[-1][1] if rest else count) == (5, 6) and "burst" not in why
    assert 10 < at - began < 40 and rest[-1][0] - began <= 60


def test_a_ramp_is_followed_step_by_step_and_never_from_behind_by_more_than_its_window() -> None:
    model = Virtual(QUICK)
    counts = model.run(600, lambda t: t / 4)  # 15 replicas' worth in the end
    assert changes(counts) == sorted(set(counts)) and counts[-1] in (14, 15)
    behind = [math.ceil(t / 40) - count for t, count in enumerate(counts)]
    assert max(behind) <= 2  # half a stable window of a replica each 40 s, and the tolerance


def test_a_burst_is_kept_for_a_stable_window_and_the_delay_and_then_leaves_at_once() -> None:
    model = Virtual(QUICK)
    model.run(100, lambda _: 5)
    model.run(6, lambda _: 100)
    end = model.now
    counts = model.run(400, lambda _: 5)
    most, left = max(counts), counts.index(1)
    assert most >= 9 and counts[2:60] == [most] * 58
    assert QUICK.stable + QUICK.down_after <= left <= QUICK.stable + QUICK.down_after + 20
    assert model.told[-1][0] == end + left


def test_the_down_rate_halves_at_most_in_one_decision() -> None:
    model = Virtual(Autoscale(1, 40, down_after=1.0), count=32)
    counts = changes(model.run(200, lambda _: 0))
    assert counts == [32, 16, 8, 4, 2, 1]


def test_the_up_rate_counts_what_serves_so_that_a_slow_model_is_no_flood() -> None:
    model = Virtual(Autoscale(1, 40, up_rate=2.0), start=30.0)
    model.run(60, lambda _: 8)
    counts = changes(model.run(100, lambda _: 300))
    assert counts == [2, 4, 8, 16]
    times = [at for at, *_ in model.told]
    assert all(b - a >= 30 for a, b in itertools.pairwise(times))


def test_replicas_that_crash_are_no_reason_to_want_fewer() -> None:
    model = Virtual(Autoscale(1, 20, up_rate=2.0, down_after=5.0), count=8)
    model.run(120, lambda _: 76)
    assert model.count == 8
    model.ready_at = [model.now + 1e6] * 7 + [0.0]  # seven of them are gone for good
    assert changes(model.run(300, lambda _: 76)) == [8]


def test_a_controller_that_begins_in_the_dark_lets_nothing_leave_for_a_window_and_the_delay() -> None:
    model = Virtual(QUICK, count=8)
    counts = model.run(200, lambda _: 5)
    assert counts[: int(QUICK.stable)] == [8] * int(QUICK.stable)
    assert counts[-1] == 1


@pytest.mark.parametrize("requests", [0, 40])
def test_without_figures_nothing_leaves_and_the_reason_names_the_router(requests: int) -> None:
    model = Virtual(Autoscale(0, 20, idle=5.0, down_after=1.0), count=8)
    assert changes(model.run(300, lambda _: requests, blind="no figures from main@lb")) == [8]
    model.run(70, lambda _: 150, blind="no figures from main@lb")
    assert model.count in (14, 15)  # what the others tell is enough to grow by, tolerance aside


def test_requests_a_second_are_a_second_target_and_the_larger_need_wins() -> None:
    model = Virtual(QUICK, target=Target(10.0, 100.0))
    model.run(100, lambda _: 5, rates=lambda _: 480.0)
    assert model.count == 5 and "100 a second" in model.told[-1][2]
    model.run(100, lambda _: 78, rates=lambda _: 480.0)
    assert model.count == 8
    alone = Virtual(QUICK, target=Target(None, 100.0))
    alone.run(100, lambda _: 300, rates=lambda _: 190.0)
    assert alone.count == 2


def test_a_model_sleeps_once_it_was_idle_for_long_enough_and_its_requests_would_be_held() -> None:
    model = Virtual(Autoscale(0, 4, idle=120.0, down_after=30.0))
    model.run(60, lambda _: 1)
    assert changes(model.run(118, lambda _: 0)) == [1]
    assert changes(model.run(100, lambda _: 0, holds=False)) == [1]
    model.run(4, lambda _: 0)
    assert model.count == 0 and model.told[-1][2] == "no request for 2m"
    assert changes(model.run(500, lambda _: 0)) == [0]


def test_the_first_request_of_a_sleeping_model_wakes_it_at_once_with_as_many_as_all_need() -> None:
    model = Virtual(Autoscale(0, 4, idle=60.0), count=0, start=20.0)
    model.run(100, lambda _: 0)
    assert model.look(1) == 1 and model.told[-1][2] == "1 request waits for a first server"
    assert changes(model.run(18, lambda _: 1)) == [1]
    many = Virtual(Autoscale(0, 4, idle=60.0), count=0)
    assert many.look(35) == 4
    most = Virtual(Autoscale(0, 4, idle=60.0), count=0)
    assert most.look(500) == 4 and most.told[-1][2].startswith("at most 4, says the file")


def test_a_schedule_lifts_the_least_and_what_it_ends_comes_down_by_the_usual_way() -> None:
    lines = (Schedule("0 8 * * *", "Europe/Berlin", min=5), Schedule("0 18 * * *", "Europe/Berlin"))
    begin = datetime(2026, 3, 28, 6, 0, tzinfo=timezone.utc).timestamp()  # a night before clocks change
    model = Virtual(Autoscale(1, 8, schedules=lines), now=begin)
    model.run(2 * 86_400, lambda _: 5, step=10.0)
    when = [
        (datetime.fromtimestamp(at, timezone.utc).strftime("%d %H:%M"), count) for at, count, _ in model.told
    ]
    days = [("28 07:00", 5), ("28 17:00", 2), ("28 17:00", 1)]
    days += [("29 06:00", 5), ("29 16:00", 2), ("29 16:00", 1)]
    assert when == days
    assert model.told[0][2] == "at least 5, says the schedule 0 8 * * * (Europe/Berlin)"


def test_two_weeks_of_days_take_seconds_and_follow_the_curve() -> None:
    def day(t: float) -> float:
        return 60 + 55 * math.sin(2 * math.pi * t / 86_400)

    model = Virtual(Autoscale(0, 20), count=12, start=60.0)
    began = time.process_time()
    counts = model.run(14 * 86_400, day, step=10.0)
    took = time.process_time() - began
    assert took < 20.0
    assert all(count * 10 >= (day(i * 10) - 1.5) * 0.9 for i, count in enumerate(counts))
    assert max(counts) == 12 and min(counts) == 1
    assert len(model.told) < 14 * 2 * 15  # each replica once up and once down a day, and little more
