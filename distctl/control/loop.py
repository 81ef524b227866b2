"""The controller's loop: lead, look, ask the policies, act; once a second, for ever.

A turn comes earlier when somebody waits for it (`Helm.rest`).

Looks and passes run in threads of their own, so that a node that does not answer, or a drain that takes its
five minutes, keeps nobody from renewing the leadership or from looking.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from distctl.cluster.record import AddEvent, Change, Event, Record
from distctl.cluster.snapshot import Instant
from distctl.errors import DistctlError, StoreError
from distctl.policy.decision import Decision, Ended, Seen
from distctl.policy.outlook import Outlook, decided, led, looked, lost, passed
from distctl.policy.turn import Memory, ended, turn
from distctl.ports import Clock

INTERVAL = 1.0  # seconds from one look to the next
ASLEEP = 5.0  # seconds between two turns after which something has stopped this process
UNWRITTEN = 1000  # observations that are kept while the store cannot be written
HEARTBEAT = 60.0  # seconds between two lines when there is nothing else to say


T = TypeVar("T")


class Helm(Protocol):
    """What the loop steers. Each method may raise DistctlError: the loop says so and tries again."""

    def lead(self) -> str:
        """Take the leadership or renew it: "" when it is ours, else who leads, in words."""

    def look(self) -> Seen | None:
        """What is wanted and what is there; None while nothing was ever wanted."""

    def act(self, decisions: Sequence[Decision]) -> Ended:
        """One pass for some decisions. Ends at a step's boundary once the loop is stopping."""

    def press(self, why: str) -> None:
        """Something is more urgent than the pass that is under way: it ends once it only waits."""

    def note(self, news: Sequence[Change]) -> None:
        """Write observations down."""

    def rest(self, seconds: float) -> None:
        """Wait for the next turn: so many seconds, or less once a request waits for a model that sleeps."""

    def stand_down(self) -> None:
        """Give the leadership back."""


# A kind (leading, standby, slow, record, health, decision, errand, step, pass, waiting, error ...) and a text
Say = Callable[[str, str], None]


@dataclass
class Loop:
    """One controller at work. `stopping` says when it is to end; `pool` runs a look beside a pass.

    `outlook` is what it knows, for other threads to read.
    """

    helm: Helm
    clock: Clock
    say: Say
    stopping: Callable[[], bool]
    pool: Executor
    memory: Memory = field(default_factory=Memory)
    outlook: Outlook = field(default_factory=Outlook)
    _leads: bool | None = None
    _told: dict[str, str] = field(default_factory=dict)  # by kind: what was said last
    _looking: Future[Seen | None] | None = None
    _passing: Future[Ended] | None = None
    _for: tuple[Record, Sequence[Decision]] | None = None  # what the pass is for
    _unwritten: list[Change] = field(default_factory=list)
    _lost: Instant | None = None  # since when the record cannot be used
    _beat: Instant = 0.0
    _stepped: Instant = 0.0

    def run(self) -> None:
        """Until `stopping`: then a pass ends at its next step, and the leadership is given back."""
        self._beat = self.clock.now()
        while not self.stopping():
            begun = self.clock.now()
            self.step()
            self.helm.rest(max(0.0, begun + INTERVAL - self.clock.now()))
        self._end()

    def step(self) -> None:
        """One second's work. Nothing in it waits for a node."""
        slept, self._stepped = self.clock.now() - (self._stepped or self.clock.now()), self.clock.now()
        if slept > ASLEEP and self._lost is None:  # else a turn may have waited for the record
            self._tell("woke", f"this process was stopped for {slept:.0f} s; who leads is asked first")
        self._collect()
        if self._lead():
            self._turn()
        if self.clock.now() - self._beat >= HEARTBEAT:
            self._tell("alive", self._standing())

    def _lead(self) -> bool:
        try:
            other = self.helm.lead()
            if not other:
                self._write()
        except DistctlError as error:
            self._lose(error)
            return False
        self._recover()
        if other:
            if self._leads is not False:
                self.memory, self._looking = Memory(), None
            self._once("standby", other)
        elif not self._leads:
            self._told.pop("standby", None)
            self._tell("leading", "this controller leads")
        self._leads = not other
        self.outlook = led(self.outlook, self._leads)
        return self._leads

    def _lose(self, error: DistctlError) -> None:
        """The record cannot be used: said once, and nobody leads until it can."""
        if self._lost is None:
            self._lost, self._leads = self.clock.now(), None
            self._told.pop("standby", None)
            self._tell("error", f"nothing is begun without the record: {_words(error)}")
        self.outlook = lost(self.outlook, _words(error))

    def _recover(self) -> None:
        if self._lost is not None:
            self._tell("record", self._away(self._lost))
            self._lost = None

    def _away(self, since: Instant) -> str:
        return f"it could not be used for {self.clock.now() - since:.0f} s: {self.outlook.lost}"

    def _turn(self) -> None:
        """Look, ask the policies what follows, and begin that. A look that takes long goes on meanwhile.

        The next one begins as soon as such a look was taken: one a second as long as none takes longer.
        """
        late, looking = self._looking, self._looking or self.pool.submit(self.helm.look)
        wait([looking], timeout=INTERVAL / 2)
        self._looking = looking
        if not looking.done():
            return
        self._looking = self.pool.submit(self.helm.look) if late else None
        seen = self._result(looking, "look")
        if seen is None:
            return
        self._told.pop("look", None)
        found = turn(self.memory, replace(seen, busy=self._passing is not None))
        self.memory = found.memory
        self.outlook = looked(self.outlook, seen, found.memory.ward)
        self._note(found.news)
        if found.memory.pressing.why:
            self.helm.press(found.memory.pressing.why)
        if found.decisions:
            self._begin(seen.record, found.decisions)

    def _note(self, news: Sequence[Change]) -> None:
        """Write down what was noticed; what cannot be written now is kept for the next turn."""
        self._unwritten += news
        for change in news:
            if isinstance(change, AddEvent):
                self._tell(change.event.kind, f"{change.event.subject}: {change.event.text}")
        try:
            self._write()
        except DistctlError as error:
            self._lose(error)
            del self._unwritten[:-UNWRITTEN]

    def _write(self) -> None:
        """Write what is to be written, and that the record was lost meanwhile. Raises DistctlError."""
        news = list(self._unwritten)
        if self._lost is not None:
            news.append(AddEvent(Event(self.clock.now(), "record", "cluster", self._away(self._lost))))
        if news:
            self.helm.note(news)
            self._unwritten = []

    def _begin(self, record: Record, decisions: Sequence[Decision]) -> None:
        if "waiting" not in self._told:
            self.outlook = decided(self.outlook, decisions)
            for decision in decisions:
                self._tell("decision", decision.reason)
        self._for = (record, decisions)
        self.outlook = replace(self.outlook, begun=self.clock.now())
        self._passing = self.pool.submit(self.helm.act, decisions)

    def _collect(self) -> None:
        """Take the pass that has ended."""
        if self._passing is None or self._for is None or not self._passing.done():
            return
        passing, self._passing = self._passing, None
        how = self._result(passing, "failed") or Ended(self.clock.now(), failed=True)
        self.memory = ended(self.memory, *self._for, how)
        self.outlook = passed(self.outlook, how)
        if how.busy:
            self._once("waiting", how.text)
        else:
            self._told.pop("waiting", None)
            self._told.pop("failed", None)
            if how.text:
                self._tell("pass", how.text)

    def _result(self, future: Future[T], kind: str) -> T | None:
        """What a thread brought, or None once it was said what went wrong."""
        try:
            return future.result()
        except StoreError as error:
            if kind == "look":
                self._lose(error)
            else:
                self._once(kind, _words(error))
        except DistctlError as error:
            self._once(kind, _words(error))
        return None

    def _end(self) -> None:
        if self._passing is not None:
            self._tell("stopping", "the pass that is under way ends at its next step")
            wait([self._passing])
            self._collect()
        if self._leads:
            self._stand_down()
        self._tell("stopped", "stopped; inference goes on, and nobody heals it")

    def _stand_down(self) -> None:
        try:
            self.helm.stand_down()
        except DistctlError as error:  # it runs out by itself
            self._tell("error", f"the leadership is not given back: {_words(error)}")

    def _tell(self, kind: str, text: str) -> None:
        self._beat = self.clock.now()
        self.say(kind, text)

    def _once(self, kind: str, text: str) -> None:
        """Say something that stays true for a while once, and again once it is different."""
        if self._told.get(kind) != text:
            self._told[kind] = text
            self._tell(kind, text)

    def _standing(self) -> str:
        if self.outlook.lost:
            return f"without the record: {self.outlook.lost}"
        if not self._leads:
            return "standing by"
        return "a pass is under way" if self._passing else "all is as the record wants it"


def _words(error: DistctlError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message
