"""Events with filters, and as they come."""

from __future__ import annotations

import pytest

from distctl.app.happening import Happening
from distctl.cluster.record import AddEvent, Event
from distctl.policy.happened import Asked
from distctl.testing.store import FakeClock, MemoryStore

EVENTS = [
    Event(10.0, "drain", "n1", "drain"),
    Event(11.0, "health", "n1/0", "dead"),
    Event(12.0, "health", "n10/0", "dead"),
    Event(13.0, "controller", "router main@n1", "it does not run"),
    Event(14.0, "scale", "digits", "to 3"),
    Event(15.0, "controller", "model digits", "2 of 3"),
    Event(16.0, "drain", "main@lb", "drain"),
]


def store(*events: Event) -> MemoryStore:
    made = MemoryStore(clock=FakeClock())
    made.commit(None, [AddEvent(event) for event in events])
    return made


@pytest.mark.parametrize(
    ("asked", "times"),
    [
        (Asked(), [10, 11, 12, 13, 14, 15, 16]),
        (Asked(node="n1"), [10, 11, 13]),
        (Asked(node="lb"), [16]),
        (Asked(model="digits"), [14, 15]),
        (Asked(router="main"), [13, 16]),
        (Asked(router="main@lb"), [16]),
        (Asked(kinds=("health", "scale")), [11, 12, 14]),
        (Asked(node="n1", kinds=("health",)), [11]),
        (Asked(node="n1", model="digits"), [10, 11, 13, 14, 15]),
        (Asked(node="n"), []),
    ],
)
def test_filters(asked: Asked, times: list[float]) -> None:
    assert [event.at for event in Happening(store(*EVENTS), asked, 0.0).look(100)] == times


def test_the_number_counts_what_is_asked_for() -> None:
    assert [e.at for e in Happening(store(*EVENTS), Asked(kinds=("drain",)), 0.0).look(1)] == [16.0]
    assert [e.at for e in Happening(store(*EVENTS), Asked(), 12.5).look(100)] == [13, 14, 15, 16]


def test_each_is_told_once_also_one_that_comes_late() -> None:
    kept = store(*EVENTS)
    happening = Happening(kept, Asked(), 0.0)
    assert len(happening.look(3)) == 3
    assert happening.look() == [], "what the number left out is not told later"
    late, new = Event(15.5, "up", "prod", "by a slow clock"), Event(90.0, "up", "prod", "now")
    kept.commit(None, [AddEvent(new), AddEvent(late)])
    assert happening.look() == [late, new]
    assert happening.look() == []
