"""The loop leads, looks, asks and acts; what goes wrong is said once and tried again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from typing import Any

from rehearsal import node, spec

from distctl.cluster.record import AddEvent, Change, Errand, Event, Record, Revision
from distctl.cluster.snapshot import Snapshot
from distctl.control.loop import HEARTBEAT, Loop
from distctl.errors import DistctlError, StoreError
from distctl.policy.decision import Decision, Ended, Seen
from distctl.testing import FakeClock


class AtOnce(Executor):
    """Does everything when it is submitted; what is `held` stays under way."""

    def __init__(self) -> None:
        self.held: list[Future[Any]] = []
        self.holding = False
        self.slow = False  # looks take a second
        self.looking: list[tuple[Future[Any], Callable[[], Any]]] = []

    def second(self) -> None:
        """Looks that took a second are over."""
        looking, self.looking = self.looking, []
        for future, look in looking:
            future.set_result(look())

    def submit(self, fn: Callable[..., Any], /, *args: Any, **how: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if self.holding and fn.__name__ == "act":
            self.held.append(future)
            return future
        if self.slow and fn.__name__ == "look":
            self.looking.append((future, fn))
            return future
        try:
            future.set_result(fn(*args, **how))
        except DistctlError as error:
            future.set_exception(error)
        return future


@dataclass
class FakeHelm:
    """Everything is as it should be; each turn of the record's revision asks for a pass."""

    clock: FakeClock
    other: str = ""
    revision: int = 1
    broken: DistctlError | None = None
    full: DistctlError | None = None  # what says so of a write
    errands: dict[str, Errand] = field(default_factory=dict)
    ends: Ended = field(default_factory=lambda: Ended(0.0, text="3 of 3 steps done"))
    acted: list[str] = field(default_factory=list)
    noted: list[Change] = field(default_factory=list)
    pressed: list[str] = field(default_factory=list)
    stood_down: bool = False

    def lead(self) -> str:
        if self.broken:
            raise self.broken
        return self.other

    def look(self) -> Seen | None:
        if not self.revision:
            return None
        record = Record("r", revision=Revision(self.revision, "{}", "ann@desk", 0.0), errands=self.errands)
        return Seen(spec([node("a", servers=0)], [], routers=False), record, Snapshot(self.clock.now()))

    def act(self, decisions: Sequence[Decision]) -> Ended:
        self.acted += [decision.reason for decision in decisions]
        return replace(self.ends, at=self.clock.now())

    def press(self, why: str) -> None:
        self.pressed.append(why)

    def note(self, news: Sequence[Change]) -> None:
        if self.full:
            raise self.full
        self.noted += news

    def rest(self, seconds: float) -> None:
        self.clock.sleep(seconds)

    def stand_down(self) -> None:
        if self.broken:
            raise self.broken
        self.stood_down = True


class Rig:
    """A loop on fakes, with all that it said."""

    def __init__(self) -> None:
        self.clock, self.pool = FakeClock(), AtOnce()
        self.helm = FakeHelm(self.clock)
        self.said: list[tuple[str, str]] = []
        self.over = False
        self.loop = Loop(
            self.helm, self.clock, lambda *said: self.said.append(said), lambda: self.over, self.pool
        )

    def step(self, times: int = 1) -> list[tuple[str, str]]:
        """So many seconds; what was said in them."""
        before = len(self.said)
        for _ in range(times):
            self.loop.step()
            self.clock.advance(1.0)
        return self.said[before:]


def test_who_leads_compares_once_and_then_acts_on_what_changed_alone() -> None:
    rig = Rig()
    assert rig.step(3) == [
        ("leading", "this controller leads"),
        ("decision", "everything is compared once"),
        ("pass", "3 of 3 steps done"),
    ]
    rig.helm.revision = 2
    assert rig.step(5) == [("decision", "revision 2 by ann@desk"), ("pass", "3 of 3 steps done")]
    assert rig.helm.acted == ["everything is compared once", "revision 2 by ann@desk"]


def test_who_stands_by_does_nothing_and_follows_at_once() -> None:
    rig = Rig()
    rig.helm.other = "ann@desk:1 leads"
    assert rig.step(5) == [("standby", "ann@desk:1 leads")]
    assert rig.helm.acted == []
    rig.helm.other = ""
    assert [kind for kind, _ in rig.step(2)] == ["leading", "decision", "pass"]


def test_who_lost_the_leadership_and_gets_it_back_compares_everything_again() -> None:
    rig = Rig()
    rig.step(3)
    rig.helm.other = "bob@desk:2 leads"
    rig.step(3)
    rig.helm.other = ""
    rig.step(3)
    assert rig.helm.acted == ["everything is compared once"] * 2


def test_a_record_that_cannot_be_read_is_told_once_and_tried_again() -> None:
    rig = Rig()
    rig.helm.broken = StoreError("the database does not answer")
    assert rig.step(10) == [("error", "nothing is begun without the record: the database does not answer")]
    assert rig.loop.outlook.lost == "the database does not answer" and not rig.loop.outlook.leads
    rig.helm.broken = None
    back = "it could not be used for 10 s: the database does not answer"
    assert rig.step(3)[:2] == [("record", back), ("leading", "this controller leads")]
    assert [change.event.text for change in rig.helm.noted if isinstance(change, AddEvent)] == [back]
    assert not rig.loop.outlook.lost and rig.loop.outlook.leads
    assert rig.helm.acted == ["everything is compared once"]


def test_one_that_led_says_that_it_leads_again_and_does_nothing_twice() -> None:
    rig = Rig()
    rig.step(3)
    rig.helm.broken = StoreError("the database does not answer")
    rig.step(8)
    rig.helm.broken = None
    assert [kind for kind, _ in rig.step(3)] == ["record", "leading"]
    assert rig.helm.acted == ["everything is compared once"]


def test_a_wait_for_the_record_is_not_taken_for_a_stop_of_the_process() -> None:
    rig = Rig()
    rig.step(3)
    rig.helm.broken = StoreError("the database does not answer")
    rig.step()
    rig.clock.advance(15.0)
    assert rig.step() == []


def test_what_cannot_be_written_is_kept_and_written_once_there_is_room() -> None:
    rig = Rig()
    rig.step(3)
    event = AddEvent(Event(1.0, "health", "n1/0", "ready"))
    rig.loop._unwritten.append(event)
    rig.helm.full = StoreError("the disk is full", hint="make room")
    assert rig.step(5) == [("error", "nothing is begun without the record: the disk is full; make room")]
    rig.helm.full = None
    assert [kind for kind, _ in rig.step(2)] == ["record", "leading"]
    first, second = rig.helm.noted
    assert first == event
    assert isinstance(second, AddEvent) and "for 5 s: the disk is full" in second.event.text


def test_a_record_that_is_away_at_the_end_keeps_nobody_from_ending() -> None:
    rig = Rig()
    rig.step(2)
    rig.helm.broken, rig.over = StoreError("the database does not answer"), True
    rig.loop.run()
    assert [kind for kind, _ in rig.said[-2:]] == ["error", "stopped"]


def test_while_somebody_has_the_lease_the_decision_waits_and_is_told_once() -> None:
    rig = Rig()
    rig.helm.ends = Ended(0.0, busy=True, text="bob@desk:2 is at work: drain n1")
    said = rig.step(10)
    assert [kind for kind, _ in said] == ["leading", "decision", "waiting"]
    assert len(rig.helm.acted) > 5
    rig.helm.ends = Ended(0.0, text="nothing is to be done")
    assert rig.step(3) == [("pass", "nothing is to be done")]


def test_it_leads_on_while_a_pass_is_under_way_and_begins_no_second_one() -> None:
    rig = Rig()
    rig.pool.holding = True
    rig.step(3)
    rig.helm.revision = 2
    assert rig.step(20) == []
    assert len(rig.pool.held) == 1
    rig.pool.holding = False
    rig.pool.held[0].set_result(Ended(rig.clock.now(), text="1 of 1 steps done"))
    assert rig.step(2) == [
        ("pass", "1 of 1 steps done"),
        ("decision", "revision 2 by ann@desk"),
        ("pass", "3 of 3 steps done"),
    ]


def test_before_the_first_up_there_is_nothing_to_do() -> None:
    rig = Rig()
    rig.helm.revision = 0
    assert rig.step(10) == [("leading", "this controller leads")]


def test_a_sign_of_life_comes_each_minute() -> None:
    rig = Rig()
    rig.step(3)
    said = rig.step(int(3 * HEARTBEAT))
    assert said == [("alive", "all is as the record wants it")] * 3


def test_at_the_end_the_leadership_is_given_back() -> None:
    rig = Rig()
    rig.step(2)
    rig.over = True
    rig.loop.run()
    assert rig.helm.stood_down
    assert rig.said[-1][0] == "stopped"


def test_what_came_up_during_a_pass_is_told_to_it() -> None:
    rig = Rig()
    rig.step(2)
    rig.pool.holding = True
    rig.helm.revision = 2
    rig.step(2)
    assert rig.helm.pressed == []
    rig.helm.errands = {"e": Errand("e", "scale", "scale digits=1", by="ann@desk")}
    rig.step(2)
    assert set(rig.helm.pressed) == {"scale digits=1: asked for by ann@desk"}
    rig.pool.held[0].set_result(Ended(rig.clock.now(), broken=True, text="the pass makes room"))
    rig.pool.holding = False
    said = rig.step(1)
    assert ("decision", "scale digits=1: asked for by ann@desk") in said


def test_looks_that_take_most_of_a_second_come_each_second_all_the_same() -> None:
    rig = Rig()
    rig.pool.slow = True
    ages = []
    for _ in range(5):
        rig.loop.step()
        rig.clock.advance(0.9)
        rig.pool.second()
        rig.clock.advance(0.1)
        if rig.loop.outlook.seen is not None:
            ages.append(rig.clock.now() - rig.loop.outlook.seen.snapshot.at)
    assert len(ages) == 4
    assert max(ages) < 1.2, "each turn judges the look of the second before"
