"""A plan on its way: what fails takes with it only what needed it, and a command that ends, ends soon."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from threading import Event, Lock

import pytest
from rehearsal import ROUTER, Operator, model, node, spec

from distctl.app.change import Manner, carry_out, prepare
from distctl.app.leasing import Keeper, leased
from distctl.cluster.record import Intent, OperationState, SetIntent
from distctl.cluster.router import SlotState
from distctl.cluster.snapshot import Owner
from distctl.cluster.spec import ServerId
from distctl.control.execute import WIDTH, Course, Outcome, State, execute
from distctl.control.perform import Job
from distctl.control.routing import Routing
from distctl.errors import (
    BrokenOff,
    Interrupted,
    LeaseHeld,
    NodeError,
    PartialFailure,
    RouterError,
    StaleGeneration,
    Unreachable,
)
from distctl.policy.operations import InstallRuntime, Join, Leave, Operation, PushModel, StartServer
from distctl.policy.plan import Draft, Plan
from distctl.policy.verdict import Tally, exit_code
from distctl.testing import FakeCluster

A, B = ServerId("a", "0"), ServerId("b", "0")
NAMES = tuple("abcdef")
DIGEST = FakeCluster(spec([], [])).folder("digits").digest


class Bench:
    """A cluster that was claimed, and a job on it."""

    def __init__(self) -> None:
        self.spec = spec([node(name) for name in NAMES], [model("digits", 2)])
        operator = Operator(self.spec)
        self.cluster: FakeCluster = operator.cluster
        session = operator.session()
        self.world = session.world
        lease = self.world.store.acquire("me", "test", seconds=60)
        for name in NAMES:
            self.world.node(name).claim(Owner("prod", "r", 1))
        nodes = {n.name: n for n in self.spec.nodes}
        documents = {name: session.document(n) for name, n in nodes.items()}
        self.job = Job(
            self.world,
            lease.token,
            Routing(self.world, lease.token, self.spec.router_ids),
            nodes,
            {m.name: m for m in self.spec.models},
            {"digits": self.cluster.folder("digits").digest},
            documents,
        )
        self.seen: list[Outcome] = []
        self._lock = Lock()

    def watch(self, outcome: Outcome) -> None:
        with self._lock:
            self.seen.append(outcome)

    def run(self, plan: Plan, renew: Callable[[], None] = lambda: None, **how: int) -> list[State]:
        outcomes = execute(self.job, plan, watch=self.watch, renew=renew, **how)
        assert [o.step for o in outcomes] == list(plan.steps)
        self.outcomes = outcomes
        return [o.state for o in outcomes]


def plan(*steps: tuple[Operation, Sequence[int]]) -> Plan:
    draft = Draft()
    for operation, needs in steps:
        draft.add(operation, "", frozenset(needs))
    return draft.plan()


def push(name: str) -> Operation:
    return PushModel(name, "digits", DIGEST)


def install(name: str) -> Operation:
    return InstallRuntime(name, "r1")


DONE, FAILED, SKIPPED = State.DONE, State.FAILED, State.SKIPPED


def test_steps_of_one_node_are_done_one_at_a_time_in_the_plans_order() -> None:
    bench = Bench()
    bench.run(plan((push("b"), [3]), (install("a"), []), (install("b"), []), (push("a"), [])))
    changes = [c for c in bench.cluster.calls.changes if "push" in c or "install" in c]
    assert [c for c in changes if c.startswith("a")] == ["a: install r1", "a: push digits"]
    assert [c for c in changes if c.startswith("b")] == ["b: install r1", "b: push digits"]


def test_what_fails_takes_with_it_only_what_needed_it() -> None:
    bench = Bench()
    bench.cluster.calls.fail("a: install", Unreachable("a", "install"))
    steps = plan(
        (install("a"), []),
        (push("a"), []),
        (StartServer(A, ("digits",)), [1, 2]),
        (Join(A, "digits"), [3]),
        (install("b"), []),
        (push("b"), []),
        (StartServer(B, ("digits",)), [5, 6]),
    )
    assert bench.run(steps) == [FAILED, DONE, SKIPPED, SKIPPED, DONE, DONE, DONE]
    assert bench.outcomes[2].detail == "a step before it failed"
    assert isinstance(bench.outcomes[0].error, Unreachable)
    assert not bench.cluster.triton(A).up


def test_each_outcome_is_told_once_and_each_begin_before_it() -> None:
    bench = Bench()
    bench.cluster.calls.fail("b: install", NodeError("b", "install", "disk full"))
    bench.run(plan((install("a"), []), (install("b"), []), (push("b"), [2])))
    for number in (1, 2, 3):
        told = [o.state for o in bench.seen if o.step.number == number]
        ends = [state for state in told if state is not State.RUNNING]
        assert len(ends) == 1
        assert told[-1] is ends[0]
        assert (State.RUNNING in told) is (number != 3)


@pytest.mark.parametrize(
    ("allowed", "states", "why"),
    [
        (0, [FAILED, SKIPPED, SKIPPED, None, SKIPPED], "failed nodes: 1, more than --max-failures 0"),
        (1, [FAILED, FAILED, FAILED, None, SKIPPED], "failed nodes: 2, more than --max-failures 1"),
        (2, [FAILED, FAILED, FAILED, None, None], ""),
    ],
)
def test_no_more_is_started_once_more_nodes_failed_than_may(
    allowed: int, states: list[State | None], why: str
) -> None:
    """Nodes are counted, not steps: `a` fails twice. What runs already is not given up."""
    bench = Bench()
    steps = plan(
        *((operation, []) for operation in (install("a"), push("a"), install("b"), install("c"), push("c")))
    )
    course = Course(bench.job, steps, bench.watch, allowed)
    running = steps.steps[3]
    course.running[Future()] = (running,)
    for number in (1, 2, 3):
        if number not in course.outcomes:
            course.take(Outcome(steps.steps[number - 1], FAILED))
    found = [course.outcomes.get(step.number) for step in steps.steps]
    assert [outcome and outcome.state for outcome in found] == states
    assert {outcome.detail for outcome in found if outcome and outcome.state is SKIPPED} == (
        {why} if why else set()
    )
    course.running.clear()
    course.take(Outcome(running, DONE))
    left = [step for step in steps.steps if step.number not in course.outcomes]
    assert left == (list(steps.steps[4:]) if allowed == 2 else [])


def test_a_lost_lease_ends_the_command_and_nothing_new_is_started() -> None:
    bench = Bench()

    def renew() -> None:
        raise LeaseHeld("somebody else has it")

    steps = plan((install("a"), []), (push("a"), [1]), (push("a"), [2]))
    with pytest.raises(LeaseHeld):
        bench.run(steps, renew)
    assert [c for c in bench.cluster.calls.changes if "push" in c] == []


def test_a_node_that_was_taken_over_ends_the_command_and_says_whose_it_is() -> None:
    """What fails first is the work of the other one too: the cause is told, not that."""
    bench = Bench()
    bench.cluster.calls.fail("a: install", NodeError("a", "install", "no such file"))
    bench.cluster.machines["a"].owner = Owner("prod", "r", 2, run="bob")
    steps = plan((install("a"), []), *((push(name), []) for name in "bcdef"), (push("b"), [2]))
    with pytest.raises(StaleGeneration, match="generation 2 by bob"):
        bench.run(steps)
    assert FAILED in [o.state for o in bench.seen if o.step.number == 1]
    assert len([c for c in bench.cluster.calls.changes if "push" in c]) <= 5


def test_a_router_that_was_taken_over_ends_the_command_too() -> None:
    bench = Bench()
    bench.cluster.node("lb").claim(Owner("prod", "r", 1))
    bench.cluster.machines["lb"].owner = Owner("prod", "r", 2, run="bob")
    bench.cluster.calls.fail("apply", RouterError("no check has passed"))
    with pytest.raises(StaleGeneration, match="lb: compare"):
        bench.run(plan((StartServer(A, ("digits",)), []), (Join(A, "digits"), [1])))


def test_a_command_that_is_interrupted_says_at_once_what_it_waits_for() -> None:
    """A stop that is under way ends first; the reader must not wonder."""
    bench = Bench()
    stopping, told = Event(), Event()

    def stop(change: str) -> None:
        stopping.set()
        assert told.wait(10), "nothing was said while the step went on"

    def watch(outcome: Outcome) -> None:
        if outcome.detail == "the command ends once this step has":
            told.set()

    def renew() -> None:
        assert stopping.wait(10)
        raise Interrupted("interrupted by SIGINT")

    bench.cluster.calls.watch = stop
    with pytest.raises(Interrupted):
        execute(bench.job, plan((push("a"), []), (push("a"), [1])), watch=watch, renew=renew)
    assert bench.cluster.calls.changes.count("a: push digits") == 1


def test_more_nodes_than_fit_side_by_side_wait_their_turn() -> None:
    names = [f"n{number}" for number in range(3 * WIDTH)]
    operator = Operator(spec([node(name) for name in names], [model("digits", len(names))]))
    operator.up()
    assert len(operator.cluster.answering("digits")) == len(names)
    assert operator.plan().empty
    assert operator.promise.kept()


def test_joins_side_by_side_share_their_turns_at_a_router() -> None:
    names = [f"n{number}" for number in range(WIDTH)]
    operator = Operator(spec([node(name) for name in names], [model("digits", len(names))]))
    operator.up()
    assert sum("apply" in change for change in operator.cluster.calls.changes) <= 1 + len(names)
    assert len(operator.cluster.answering("digits")) == len(names)


def test_models_that_join_one_server_together_do_so_in_one_turn() -> None:
    """And one that is not ready keeps none of the others."""
    bench = Bench()
    bench.cluster.machines["a"].runtimes.add("r1")
    start = plan((StartServer(A, ("digits", "other", "third")), []))
    for name in ("digits", "other", "third"):
        bench.job.contents[name] = bench.cluster.folder(name).digest  # type: ignore[index]
        bench.world.node("a").push(name, bench.cluster.folder(name))
    bench.cluster.triton(A).broken["other"] = "no such file"
    bench.run(start)
    before = len(bench.cluster.calls.changes)
    states = bench.run(
        plan(*((Join(A, name), []) for name in ("digits", "other", "third")), (push("b"), [3]))
    )
    assert states == [DONE, FAILED, DONE, DONE]
    assert "no such file" in bench.outcomes[1].detail
    assert sum("apply" in change for change in bench.cluster.calls.changes[before:]) == 1


def test_one_of_two_routers_that_is_down_is_told_later_and_before_anything_leaves() -> None:
    operator = Operator(spec([node("a"), node("b"), node("lb2", servers=0)], [model("digits", 1)]))
    main = operator.spec.routers[0]
    operator.spec = replace(operator.spec, routers=(replace(main, on=("lb", "lb2")),))
    operator.up()
    second = operator.cluster.routers[replace(ROUTER, place="lb2")]
    second.reachable = False
    session = operator.session()
    operator.spec = replace(operator.spec, models=(model("digits", 2),))
    session.inventory = replace(session.inventory, spec=operator.spec)
    with leased(session, "up") as keeper:
        prepared = prepare(session, keeper)
        outcomes = carry_out(session, keeper, prepared, watch=lambda _: None, what="up")
    assert {outcome.state for outcome in outcomes} == {DONE}
    (late,) = {outcome.error for outcome in outcomes if outcome.error}
    assert isinstance(late, PartialFailure)
    assert late.message == "not told what joined: router main@lb2 (no answer)"
    assert exit_code(Tally(len(outcomes), [late], skipped=1)) == 3
    assert operator.cluster.routers[ROUTER].sends_to("digits") == {A, B}
    second.reachable = True
    operator.spec = replace(operator.spec, models=(model("digits", 1),))
    plan_ = operator.up()
    told = next(s.number for s in plan_.steps if s.operation.text == "configure router main@lb2")
    assert all(told in s.needs for s in plan_.steps if isinstance(s.operation, Leave))
    assert any(isinstance(s.operation, Leave) for s in plan_.steps)
    assert operator.plan().empty
    assert operator.promise.kept()


def test_a_first_up_tells_a_router_no_more_often_than_there_are_servers() -> None:
    """However many models each of them serves."""
    names = [f"n{number}" for number in range(WIDTH)]
    operator = Operator(spec([node(n) for n in names], [model(f"m{i}", len(names)) for i in range(5)]))
    operator.up()
    assert sum("apply" in change for change in operator.cluster.calls.changes) <= 1 + len(names)
    assert all(len(operator.cluster.answering(f"m{i}")) == len(names) for i in range(5))


def test_a_command_that_is_interrupted_ends_its_drains_at_once_and_they_go_on_later() -> None:
    """Without that Ctrl-C would wait for the drain's deadline, five minutes by default."""
    operator = Operator(spec([node(name) for name in "abc"], [model("digits", 2)]))
    operator.up()
    router = operator.cluster.routers[ROUTER]
    router.in_flight["digits", A], router.ending = 1, 0  # a request that never ends
    session, waiting = operator.session(), Event()
    operator.cluster.calls.watch = None

    def watch(outcome: Outcome) -> None:
        if "in flight" in outcome.detail:
            waiting.set()

    class Cut(Keeper):
        def renew(self) -> None:
            if waiting.is_set():
                raise Interrupted("interrupted by SIGINT")

    with pytest.raises(Interrupted), leased(session, "drain") as keeper:
        operator.write(SetIntent(Intent("a", cordoned=True, draining=True)))
        prepared = prepare(session, keeper, awaited=["a"])
        cut = Cut(session, keeper.lease)
        carry_out(session, cut, prepared, watch=watch, what="drain", manner=Manner(drain_seconds=1e5))
    replica = operator.cluster.store.record.replica(A, "digits")
    assert replica is not None and replica.slot is SlotState.DRAIN
    assert operator.cluster.store.holder() is None
    assert all(m.owner is None or m.owner.until == 0.0 for m in operator.cluster.machines.values())
    router.ending = 1
    operator.drain("a")
    assert router.in_flight["digits", A] == 0
    assert operator.promise.kept()


def test_a_plan_that_is_broken_off_ends_its_drains_and_notes_what_came_to_an_end() -> None:
    """Nothing new is started, and the next pass finds the drain where it was."""
    operator = Operator(spec([node(name) for name in "abc"], [model("digits", 2)]))
    operator.up()
    router = operator.cluster.routers[ROUTER]
    router.in_flight["digits", A], router.ending = 1, 0  # a request that never ends
    session, seen = operator.session(), []

    def pressing() -> str:
        return "b/0 is dead" if any("in flight" in outcome.detail for outcome in seen) else ""

    with pytest.raises(BrokenOff, match="b/0 is dead"), leased(session, "controller: x") as keeper:
        operator.write(SetIntent(Intent("a", cordoned=True, draining=True)))
        prepared = prepare(session, keeper, awaited=["a"])
        manner = Manner(drain_seconds=1e5, plan="first", pressing=pressing)
        carry_out(session, keeper, prepared, watch=seen.append, what="controller", manner=manner)
    states = {entry.what: entry.state for entry in session.store.operations("first")}
    assert states.pop("a: drain digits of a/0") is OperationState.RUNNING
    assert set(states.values()) <= {OperationState.DONE}
    router.ending = 1
    operator.drain("a")
    assert router.in_flight["digits", A] == 0
    assert operator.promise.kept()
