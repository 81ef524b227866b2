"""What holds for every demand: bounds, no flapping, more for more, and nothing leaves without its delay."""

from __future__ import annotations

import itertools
import random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from distctl.cluster.spec import Autoscale
from distctl.policy.autoscale.kpa import Count, Load, Panic, needed, replicas, slowed
from distctl.policy.autoscale.memory import Target
from distctl.policy.autoscale.virtual import Virtual
from distctl.policy.autoscale.windows import Needs, Window

specs = st.builds(
    Autoscale,
    min=st.integers(0, 3),
    max=st.integers(3, 30),
    idle=st.floats(2, 100),
    down_after=st.floats(1, 60),
    stable=st.sampled_from([6.0, 20.0, 60.0]),
    panic=st.sampled_from([2.0, 6.0]),
    panic_at=st.floats(1.1, 10),
    up_rate=st.floats(1.1, 1000),
    down_rate=st.floats(1.1, 10),
    tolerance=st.floats(0, 0.5),
)
demands = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 400)), min_size=1, max_size=8)
loads = st.builds(Load, st.floats(0, 50), st.floats(0, 50))
counts = st.builds(Count, st.integers(0, 30), st.integers(0, 30))


@given(specs, demands, st.integers(0, 40), st.sampled_from([0.0, 5.0, 40.0]))
@settings(max_examples=60)
def test_bounds_hold_whatever_comes(spec, demands, begin, start):
    model = Virtual(spec, count=min(max(begin, spec.min), spec.max), start=start)
    for seconds, requests in demands:
        for count in model.run(seconds, lambda _, n=requests: n):
            assert spec.min <= count <= spec.max


@example(9.0, 1, 1, 0.0)
@given(st.floats(1, 150), st.integers(0, 2**32 - 1), st.integers(1, 15), st.sampled_from([0.0, 45.0]))
@settings(max_examples=25)
def test_a_steady_load_with_noise_finds_its_count_and_stays_there(level, seed, begin, start):
    noise = random.Random(seed)
    model = Virtual(Autoscale(1, 30, down_after=60.0), count=begin, start=start)
    model.run(400, lambda _: level * noise.uniform(0.8, 1.2))
    settled = model.run(400, lambda _: level * noise.uniform(0.8, 1.2))
    turns = sum(a != b for a, b in itertools.pairwise(settled))
    assert turns <= 2
    assert settled[-1] * 10 * 1.2 >= level


@given(specs, st.floats(0, 50), st.floats(0, 50), st.floats(0, 50), counts)
def test_a_larger_load_never_needs_fewer(spec, one, other, burst, count):
    less, more = sorted((one, other))
    smaller, _ = needed(spec, Load(less, burst), count, Panic(), 0.0)
    larger, _ = needed(spec, Load(more, burst), count, Panic(), 0.0)
    assert smaller <= larger
    smaller, _ = needed(spec, Load(burst, less), count, Panic(), 0.0)
    larger, _ = needed(spec, Load(burst, more), count, Panic(), 0.0)
    assert smaller <= larger


@given(specs, loads, counts, st.integers(1, 30))
def test_nothing_leaves_in_a_panic_and_what_is_needed_is_wanted_within_the_rate(spec, load, count, most):
    wanted, panic = needed(spec, load, count, Panic(0.0, most), spec.stable / 2)
    assert panic.since is not None
    assert wanted >= max(most, count.target)
    calm, _ = needed(Autoscale(0, 99, tolerance=0.0, panic_at=1e9), load, count, Panic(), 0.0)
    assert calm == replicas(load.stable)


@given(specs, st.integers(0, 30), st.integers(0, 30))
def test_one_step_down_is_never_further_than_the_rate(spec, wanted, target):
    assert slowed(spec, wanted, target) >= max(wanted, int(target / spec.down_rate))
    assert slowed(spec, target, target) == target


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 9)), max_size=30), st.floats(1, 60))
def test_needs_are_the_largest_count_of_the_time_that_is_kept(steps, keep):
    needs, now, seen = Needs(), 0.0, []
    for after, count in steps:
        now += after
        seen.append((now, count))
        needs = needs.record(now, count, keep)
        assert needs.most == max(c for at, c in seen if now - keep <= at)
        assert len(needs.items) <= 10


@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0, 100)), min_size=1, max_size=80))
def test_a_window_is_small_and_its_mean_lies_between_its_samples(steps):
    window, now, values = Window(60.0), 1e9, []
    for after, value in steps:
        now += after
        window = window.record(now, value)
        values.append((now, value))
        lately = [v for at, v in values if at > now - 62]
        mean = window.mean(now, 60.0)
        assert mean is not None and min(lately) - 1e-6 <= mean <= max(lately) + 1e-6
        assert len(window.buckets) <= 60


@given(st.integers(0, 300), st.integers(1, 20), st.floats(1, 100))
def test_what_wakes_a_model_is_enough_for_all_that_wait_and_at_least_one(waiting, most, target):
    model = Virtual(Autoscale(0, most), count=0, target=Target(target))
    count = model.look(waiting)
    assert count == (min(most, max(1, replicas(waiting / target))) if waiting else 0)


def test_a_clock_that_is_set_back_ends_no_window_and_no_panic_for_ever():
    model = Virtual(Autoscale(1, 9, down_after=30.0), count=4, now=1e6)
    model.run(60, lambda _: 38)
    model.now -= 7200.0
    model.run(200, lambda _: 5)
    assert model.count == 1
