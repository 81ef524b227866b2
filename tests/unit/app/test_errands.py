"""Commands while a controller leads: who carries them out, what the command sees of it, and who goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rehearsal import Operator, Rehearsal, model, node, places, spec

from distctl.app.change import carry_out, prepare, with_changes
from distctl.app.errands import Request, asking, carried, executor, goes_on
from distctl.app.leasing import CONTROLLER, leased
from distctl.app.router_wishes import places_of
from distctl.app.serving import served
from distctl.app.wishes import intent_changes, parse_scale, scale_changes
from distctl.cluster.record import Change, Errand, ErrandState, SetErrand
from distctl.control.execute import Outcome, State
from distctl.errors import BrokenOff, DrainExpired, Interrupted, Refused
from distctl.policy.errands import knocks
from distctl.testing import FakeClock

LEADER = "controller@desk:1"


class Turns(FakeClock):
    """A command's clock: while the command waits somebody else gets a turn, as long as there is one."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._inner = clock
        self.turns: list[Callable[[], object]] = []

    def now(self) -> float:
        return self._inner.now()

    def sleep(self, seconds: float) -> None:
        self._inner.sleep(seconds)
        if self.turns:
            self.turns.pop(0)()


class Scene:
    """A cluster that a controller leads, an operator at it, and what that operator's command said."""

    def __init__(self, *, leads: bool = True) -> None:
        self.operator = Operator(spec([node("a"), node("b")], [model("digits", 2), model("xray")]))
        self.operator.up()
        self.store = self.operator.cluster.store
        self.said: list[str] = []
        self.seen: list[Outcome] = []
        self.session = self.operator.session()
        self.clock = Turns(self.operator.cluster.clock)
        self.session.parts.clock = self.clock
        self.leads(leads)

    def leads(self, leads: bool) -> None:
        """Whether somebody leads from now on."""
        if leads:
            self.store.lead(LEADER, seconds=1e6)
        elif (leader := self.store.leader()) is not None:
            self.store.stand_down(leader)

    def scale(self, *words: str) -> tuple[Outcome, ...]:
        """`scale` as the command does it."""

        def wish(session: Rehearsal) -> list[Change]:
            return scale_changes(session, parse_scale(session, words), "")

        return self._command(wish, lambda changes: Request("scale", words, tuple(changes)))

    def drain(self, *names: str, seconds: float | None = None) -> tuple[Outcome, ...]:
        """`drain` as the command does it."""

        def wish(session: Rehearsal) -> list[Change]:
            return intent_changes(session, names, cordoned=True, draining=True, why="")

        return self._command(wish, lambda changes: Request("drain", names, tuple(changes), names, seconds))

    def _command(
        self, wish: Callable[[Rehearsal], list[Change]], request: Callable[[list[Change]], Request]
    ) -> tuple[Outcome, ...]:
        session = self.session
        with asking(session, "a command", wait=0.0, say=self.said.append) as keeper:
            asked = request(wish(session))
            found = prepare(session, keeper, awaited=asked.places)
            after = with_changes(found, session, asked.changes, prune=False)
            return carried(session, keeper, after, asked, watch=self.seen.append, say=self.said.append)

    def serve(self, pressing: Callable[[], str] = lambda: "") -> None:
        """One pass of the controller."""
        session = self.operator.session()
        session.steady = True
        with leased(session, f"{CONTROLLER}asked") as keeper, served(session, keeper) as service:
            found = prepare(session, keeper, awaited=service.awaited)
            if not found.plan.empty:
                manner = service.manner(pressing)
                carry_out(session, keeper, found, watch=service.watch, what="controller", manner=manner)

    def states(self) -> dict[str, list[str]]:
        """What the command saw of each step, by its text."""
        found: dict[str, list[str]] = {}
        for outcome in self.seen:
            found.setdefault(outcome.step.operation.text, []).append(outcome.state.value)
        return found

    @property
    def errands(self) -> list[ErrandState]:
        """How the errands that were ever written stand."""
        return [errand.state for errand in self.store._errands.values()]


def test_without_a_controller_a_command_carries_itself_out() -> None:
    scene = Scene(leads=False)
    outcomes = scene.scale("digits=1")
    assert {outcome.state for outcome in outcomes} == {State.DONE}
    assert scene.errands == []


def test_what_a_controller_carries_out_ends_and_looks_as_if_the_command_had_done_it() -> None:
    alone, scene = Scene(leads=False), Scene()
    scene.clock.turns = [lambda: None, scene.serve]
    expected, outcomes = alone.scale("digits=1"), scene.scale("digits=1")
    told = [(o.step.operation.node, o.step.operation.text, o.state) for o in outcomes]
    assert told == [(o.step.operation.node, o.step.operation.text, o.state) for o in expected]
    assert all(states[-1] == "done" for states in scene.states().values())
    assert places(scene.operator.cluster) == places(alone.operator.cluster)
    assert scene.errands == [ErrandState.DONE]
    assert scene.store.holder() is None


def test_two_commands_are_carried_out_in_one_pass() -> None:
    scene = Scene()
    session = scene.operator.session()

    def another() -> None:
        with asking(session, "another", wait=0.0, say=scene.said.append) as keeper:
            changes = scale_changes(session, parse_scale(session, ["xray=2"]), "")
            request = Request("scale", ("xray=2",), tuple(changes), detached=True)
            found = prepare(session, keeper)
            carried(session, keeper, found, request, watch=scene.seen.append, say=scene.said.append)

    scene.clock.turns = [another, scene.serve]
    scene.scale("digits=1")
    assert scene.errands == [ErrandState.DONE] * 2
    record = scene.store.record
    assert sorted(r.model for r in record.replicas) == ["digits", "xray", "xray"]


def test_who_does_not_wait_is_told_who_carries_it_out() -> None:
    scene = Scene()
    session = scene.session
    with asking(session, "drain", wait=0.0, say=scene.said.append) as keeper:
        request = Request("drain", ("a",), (), ("a",), detached=True)
        carried(
            session, keeper, prepare(session, keeper), request, watch=scene.seen.append, say=scene.said.append
        )
    assert scene.said == ["the controller carries it out; `distctl drain a` waits for its end"]
    assert scene.errands == [ErrandState.OPEN]


def test_the_errors_of_a_pass_are_the_commands_own() -> None:
    scene = Scene()
    router = next(iter(scene.operator.cluster.routers.values()))
    router.in_flight |= {("digits", server): 1_000_000 for server in router.sends_to("digits")}
    scene.clock.turns = [scene.serve]
    outcomes = scene.drain("a", seconds=2.0)
    (late,) = [outcome.error for outcome in outcomes if outcome.error]
    assert isinstance(late, DrainExpired)
    assert late.exit_code == 6 and "--force" in late.hint


def test_what_refuses_the_whole_pass_ends_the_command_with_the_same_code() -> None:
    scene = Scene()

    def refused() -> None:
        session = scene.operator.session()
        with leased(session, f"{CONTROLLER}x") as keeper, served(session, keeper):
            raise Refused("it would break a promise", hint="add --force")

    def fails() -> None:
        with pytest.raises(Refused):
            refused()

    scene.clock.turns = [fails]
    with pytest.raises(Refused, match="it would break a promise") as caught:
        scene.scale("digits=1")
    assert (caught.value.exit_code, caught.value.hint) == (8, "add --force")


@pytest.mark.parametrize("begun", [False, True])
def test_when_the_controller_ends_the_command_goes_on_by_itself(begun: bool) -> None:
    scene, whole = Scene(), Scene(leads=False)
    whole.drain("a")

    def dies() -> None:
        if begun:
            with pytest.raises(Interrupted):
                scene.serve(stopped)
        scene.leads(False)

    def stopped() -> str:
        raise Interrupted("the controller was stopped")

    scene.clock.turns = [dies]
    outcomes = scene.drain("a")
    assert {outcome.state for outcome in outcomes} == {State.DONE}
    assert scene.said[-1] == "no controller leads any more: this command carries out the rest itself"
    assert scene.errands == [ErrandState.WITHDRAWN]
    assert places(scene.operator.cluster) == places(whole.operator.cluster)


def test_while_the_lease_of_a_controller_that_ended_is_held_the_command_waits() -> None:
    scene = Scene()
    held: list[object] = []

    def stops() -> None:
        held.append(scene.store.acquire(LEADER, f"{CONTROLLER}x", seconds=20))
        scene.leads(False)

    scene.clock.turns = [stops]
    begun = scene.clock.now()
    scene.scale("digits=1")
    assert scene.clock.now() - begun > 20
    assert scene.errands == [ErrandState.WITHDRAWN]


def test_a_pass_that_was_broken_off_goes_on_and_nothing_of_it_is_lost() -> None:
    scene = Scene()
    answers = iter(["", "b/0 is dead"])

    def broken() -> None:
        with pytest.raises(BrokenOff):
            scene.serve(lambda: next(answers, "b/0 is dead"))

    scene.clock.turns = [broken, scene.serve]
    outcomes = scene.scale("digits=1", "xray=2")
    assert {outcome.state for outcome in outcomes} == {State.DONE}
    texts = [outcome.step.operation.text for outcome in outcomes]
    assert len(texts) == len(set(texts)) == len({outcome.step.number for outcome in outcomes})
    (errand,) = scene.store._errands.values()
    assert errand.state is ErrandState.DONE and len(errand.plans) == 2


def test_ctrl_c_leaves_the_work_to_the_controller_and_says_how_to_see_it() -> None:
    scene = Scene()

    def pressed() -> None:
        raise Interrupted("interrupted by SIGINT", signal_number=2)

    scene.clock.turns = [pressed, scene.serve]
    scene.scale("digits=1")
    (said,) = scene.said
    assert said.startswith("the controller goes on with `scale digits=1`: `distctl events --steps`")
    assert "`distctl scale digits=auto` takes it back" in said


def test_other_signals_end_the_command_alone() -> None:
    scene = Scene()

    def pressed() -> None:
        raise Interrupted("interrupted by SIGTERM", signal_number=15)

    scene.clock.turns = [pressed]
    with pytest.raises(Interrupted):
        scene.scale("digits=1")
    assert scene.errands == [ErrandState.OPEN]
    scene.serve()
    assert scene.errands == [ErrandState.DONE]


def test_a_controller_that_takes_nothing_up_is_not_waited_for_for_ever() -> None:
    scene = Scene()
    scene.scale("digits=1")
    assert scene.said == [
        f"{LEADER} has not taken it up within 30 s: this command carries out the rest itself"
    ]


def test_a_file_that_says_something_else_than_the_newest_revision_is_no_controllers_to_carry_out() -> None:
    scene = Scene()
    assert executor(scene.session) is not None
    scene.operator.spec = spec([node("a"), node("b")], [model("digits", 1), model("xray")])
    assert executor(scene.operator.session()) is None


def test_commands_wait_for_each_other_where_each_has_the_lease_for_a_moment() -> None:
    scene = Scene()
    scene.store.acquire("bob@desk:7", "scale xray=2", seconds=5)
    scene.clock.turns = [lambda: None] * 5 + [scene.serve] * 5
    scene.scale("digits=1")
    assert scene.said[0].startswith("waiting for the lease: bob@desk:7 has been changing this cluster")
    assert scene.errands == [ErrandState.WITHDRAWN, ErrandState.DONE]  # the first one only knocked


def test_a_command_that_waits_for_a_pass_knocks_until_it_has_the_lease() -> None:
    scene = Scene()
    lease = scene.store.acquire(LEADER, f"{CONTROLLER}drain b", seconds=60)
    knocking: list[str] = []

    def makes_room() -> None:
        knocking.extend(knocks(scene.store.record, scene.clock.now()).values())
        scene.store.release(lease)

    scene.clock.turns = [lambda: None, makes_room, scene.serve]
    scene.scale("digits=1")
    assert knocking == [f"{scene.session.author} waits with `a command`"]
    assert knocks(scene.store.record, scene.clock.now()) == {}


def test_one_that_knocked_and_died_is_forgotten_by_the_next_pass() -> None:
    scene = Scene()
    old = Errand("k", "", "drain a", "ann@desk", scene.clock.now(), state=ErrandState.KNOCKS)
    scene.store.commit(None, [SetErrand(old)])
    scene.serve()
    assert scene.errands == [ErrandState.WITHDRAWN]
    assert scene.store.record.errands == {}


@pytest.mark.parametrize("words", [[], ["main"], ["main@lb"], ["main=1"], ["1"], ["auto"], ["main=auto"]])
def test_the_options_of_a_command_for_routers_are_for_their_places(words: list[str]) -> None:
    assert places_of(Scene(leads=False).session, words) == ("lb",)


@pytest.mark.parametrize(
    ("what", "words", "back"),
    [
        ("drain", "drain a b", "distctl undrain a b"),
        ("scale", "scale digits=3 xray=auto", "distctl scale digits=auto xray=auto"),
        ("router scale", "router scale 1", "distctl router scale auto"),
        ("router stop", "router stop main@lb", "distctl router launch main@lb"),
        ("power off", "power off a", "distctl power on a"),
    ],
)
def test_every_command_says_what_takes_it_back(what: str, words: str, back: str) -> None:
    assert f"`{back}` takes it back" in goes_on(Errand("e", what, words))
