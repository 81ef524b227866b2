"""What a controller knows is kept as it goes along, and what it is told by is bounded."""

from __future__ import annotations

from dataclasses import replace

from outlooks import A, B, outlook, whole

from distctl.cluster.record import Intent, SetIntent, SetSized, Sized
from distctl.policy.decision import Decision, Ended
from distctl.policy.healing import Ward
from distctl.policy.outlook import Outlook, Passes, decided, led, looked, passed
from distctl.policy.trend import POINTS, STEP, Trend, added


def test_who_loses_the_leadership_tells_nothing_of_the_cluster_any_more() -> None:
    leading = looked(led(Outlook(), True), whole(10.0), Ward(held="hold"))
    assert leading.leads and leading.seen == whole(10.0) and leading.ward.held == "hold"
    standing_by = led(leading, False)
    assert not standing_by.leads and standing_by.seen is None and standing_by.trend == Trend()


def test_decisions_are_counted_by_what_they_write() -> None:
    decisions = [
        Decision("a/0", "a/0 is dead"),
        Decision("a/1", "a/1 is dead"),
        Decision("chat", "chat from 0 to 1", (SetSized(Sized("chat", 1, 1)),)),
        Decision("a", "a gets no new replica", (SetIntent(Intent("a", cordoned=True)),)),
    ]
    assert decided(Outlook(), decisions).decisions == {"upkeep": 2, "size": 1, "cordon": 1, "power": 0}


def test_passes_are_counted_with_their_seconds_unless_they_could_not_begin() -> None:
    begun = replace(Outlook(), begun=100.0)
    assert passed(begun, Ended(103.0)).passes == Passes(done=1, seconds=3.0)
    assert passed(begun, Ended(104.0, failed=True)).passes == Passes(failed=1, seconds=4.0)
    assert passed(begun, Ended(104.0, busy=True)).passes == Passes()
    assert passed(begun, Ended(103.0)).begun is None


def test_rates_are_of_what_was_added_since_the_last_point() -> None:
    trend = added(Trend(), whole(1000.0, {A: 100, B: 50}))
    assert trend.rates == {}
    assert added(trend, whole(1000.0 + STEP - 1, {A: 500, B: 500})) is trend
    trend = added(trend, whole(1000.0 + STEP, {A: 150, B: 75}))
    assert trend.rates == {"digits": (75 / STEP,), "chat": (0.0,)}
    trend = added(trend, whole(1000.0 + 2 * STEP, {A: 0, B: 0}))
    assert trend.rates["digits"] == (75 / STEP, 0.0), "counters that began anew are no negative rate"


def test_a_trend_keeps_minutes_however_long_it_runs() -> None:
    trend = Trend()
    for number in range(3 * POINTS):
        trend = added(trend, whole(1000.0 + number * STEP, {A: number * 10, B: 0}))
    assert trend.rates["digits"] == (10 / STEP,) * POINTS


def test_a_clock_that_was_set_back_stops_no_trend() -> None:
    trend = added(added(Trend(), whole(1000.0)), whole(500.0))
    assert trend.at == 500.0 and trend.rates == {}
    assert outlook(whole(1.0)).seen is not None
