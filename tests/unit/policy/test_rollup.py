"""Hours of load: sums are kept, a minute counts once, and what is kept is bounded whatever the age."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from distctl.cluster.hours import ALL_NODES, DAY, HOUR, KEPT, KEPT_OF_NODE, Hour, joined, lasts
from distctl.cluster.record import AddHour, AddLoad, Load
from distctl.cluster.spec import ServerId
from distctl.policy.pace import Day, day
from distctl.policy.rollup import Ledger, opened, rolled
from distctl.testing import MemoryStore

A, B = ServerId("a", "0"), ServerId("b", "0")
BEGIN = 480_000 * HOUR
grown = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=150)


def minutes(counts: Sequence[tuple[int, int]], at: float = BEGIN) -> list[list[AddLoad]]:
    """By minute: the rows of two servers whose counters grew by so much."""
    rows, totals = [], [1000, 0]
    for number, pair in enumerate(counts):
        totals = [total + more for total, more in zip(totals, pair, strict=True)]
        found = zip((A, B), pair, totals, strict=True)
        rows.append([AddLoad(Load(s, "m", at + 60 * number, more % 7, 1, total)) for s, more, total in found])
    return rows


def kept(ledger: Ledger, rows: Sequence[Sequence[AddLoad]], store: MemoryStore) -> Ledger:
    for minute in rows:
        ledger, hours = rolled(ledger, minute)
        store.commit(None, hours)
    return ledger


def of(store: MemoryStore, node: str) -> list[Hour]:
    return [hour for hour in store.hours() if hour.node == node]


@given(grown)
def test_every_request_stands_in_one_hour_of_its_node_and_one_of_all(counts: list[tuple[int, int]]) -> None:
    store = MemoryStore()
    before = opened([Load(A, "m", BEGIN - 60, total=1000)])
    first, *rest = minutes(counts)
    kept(Ledger(before.totals, before.at, complete=True), [first, *rest], store)
    sums = [sum(pair[index] for pair in counts) for index in (0, 1)]
    assert sum(hour.requests for hour in of(store, "a")) == sums[0]
    assert sum(hour.requests for hour in of(store, "b")) == sums[1]
    together = of(store, ALL_NODES)
    assert sum(hour.requests for hour in together) == sum(sums)
    assert max(hour.most for hour in together) == max(a + b for a, b in counts)
    assert sum(hour.in_flight for hour in together) == sum(a % 7 + b % 7 for a, b in counts)
    assert sum(hour.queued for hour in together) == 2 * len(counts)
    assert sum(hour.minutes for hour in together) == len(counts)
    assert all(hour.at <= hour.most_at <= hour.until < hour.at + HOUR for hour in together)


@given(grown, st.integers(0, 150))
def test_a_change_of_controllers_neither_loses_nor_doubles_anything(
    counts: list[tuple[int, int]], when: int
) -> None:
    """The next one reads where the counters stood, and both may write the same minute."""
    one, two, rows = MemoryStore(), MemoryStore(), minutes(counts)
    begun = Ledger({(A, "m"): 1000}, BEGIN - 60, complete=True)
    kept(begun, rows, one)
    kept(begun, rows[: when + 1], two)
    kept(opened(row.load for minute in rows[:when] for row in minute) if when else begun, rows[when:], two)
    assert one.hours() == two.hours()


def test_what_was_counted_while_nobody_looked_was_not_all_at_once() -> None:
    ledger, _ = rolled(Ledger(), [AddLoad(Load(A, "m", BEGIN, total=100))])
    _, hours = rolled(ledger, [AddLoad(Load(A, "m", BEGIN + 600, total=700))])
    assert [(h.hour.node, h.hour.requests, h.hour.most) for h in hours] == [("", 600, 60), ("a", 600, 60)]


def test_a_first_minute_says_nothing_and_a_counter_that_began_anew_what_was_added_since() -> None:
    ledger, hours = rolled(Ledger(), [AddLoad(Load(A, "m", BEGIN, total=100))])
    assert hours == []
    _, hours = rolled(ledger, [AddLoad(Load(A, "m", BEGIN + 60, total=30))])
    assert {h.hour.requests for h in hours} == {30}


@given(st.integers(1, 400), st.integers(1, 5))
@settings(deadline=None)
def test_what_is_kept_is_bounded_whatever_the_age(days: int, nodes: int) -> None:
    """Of each hour since the cluster began, never more than its size allows."""
    now, names = BEGIN + days * DAY, (ALL_NODES, *(f"n{number}" for number in range(nodes)))
    begins = [BEGIN + number * HOUR for number in range(days * 24)]
    hours = [(name, at) for name in names for at in begins if lasts(Hour("m", name, at, at), now)]
    assert len(hours) <= KEPT / HOUR + nodes * KEPT_OF_NODE / HOUR
    assert {name for name, _ in hours} == set(names)
    assert now - min(at for _, at in hours) <= KEPT


@given(st.lists(st.tuples(st.integers(0, 59), st.integers(0, 9)), min_size=1))
def test_minutes_that_are_in_an_hour_already_change_nothing(found: list[tuple[int, int]]) -> None:
    hour, counted = None, dict[int, int]()
    for minute, requests in found:
        at = BEGIN + 60 * minute
        hour = joined(hour, Hour("m", "", BEGIN, at, 1, requests, most=requests, most_at=at))
        if minute > max(counted, default=-1):
            counted[minute] = requests
    assert hour is not None
    assert (hour.requests, hour.minutes) == (sum(counted.values()), len(counted))


def test_a_day_names_the_busiest_minute_and_the_busiest_node() -> None:
    hours = [
        Hour("m", ALL_NODES, BEGIN, BEGIN, 1, 600, most=120, most_at=BEGIN + 60),
        Hour("m", ALL_NODES, BEGIN + HOUR, BEGIN + HOUR, 1, 400, most=240, most_at=BEGIN + HOUR),
        Hour("m", "a", BEGIN, BEGIN, 1, 700),
        Hour("m", "b", BEGIN, BEGIN, 1, 300),
        Hour("n", ALL_NODES, BEGIN, BEGIN, 1, 9999),
        Hour("m", ALL_NODES, BEGIN - DAY, BEGIN - DAY, 1, 9999),
    ]
    assert day(hours, "m", BEGIN + 2 * HOUR) == Day(1000, 4.0, BEGIN + HOUR, "a", 700)
    assert day(hours, "x", BEGIN) is None
    assert AddHour(hours[0]).hour.key == ("", "m", BEGIN)
