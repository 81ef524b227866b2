"""One look at a server comes to one word: what it says, what routers and its own node say."""

from dataclasses import replace

import pytest
from rehearsal import ROUTER
from wards import cluster, inside, router, silent, well, without

from distctl.cluster.router import RouterSight, SlotState
from distctl.cluster.snapshot import Identity, ModelState, ReplicaSight, ServerSight, Silence, Snapshot
from distctl.cluster.spec import ServerId
from distctl.policy.symptoms import Evidence

A = ServerId("a", "0")
RUNS = Identity("boot", 7, 1)
REFUSED, MUTE, LOST = (silent(A, how) for how in (Silence.REFUSED, Silence.MUTE, Silence.LOST))
LOADING = ServerSight(A, live=True, replicas={"digits": ReplicaSight(ModelState.LOADING)})
PARTED = RouterSight(ROUTER, running=False, error="ssh: timed out")
FAILED = without(A, "bad weights")

CASES = {
    "all is there": (well(A), None, None, "ready"),
    "a model loads": (LOADING, None, None, "loading digits"),
    "a model fell out": (without(A), None, None, "without digits"),
    "a model was never there": (ServerSight(A, live=True), None, None, "without digits"),
    "nothing listens": (REFUSED, None, None, "dead"),
    "nothing listens, and no process runs": (REFUSED, None, inside(A), "dead"),
    "nothing listens yet": (REFUSED, None, inside(A, process=RUNS), "starting"),
    "it ends as soon as it starts": (REFUSED, None, inside(A, process=RUNS, restarts=3), "crash loop"),
    "between two starts": (REFUSED, None, inside(A, restarts=7), "crash loop"),
    "it takes connections and says nothing": (MUTE, None, None, "hung"),
    "hung, and the router sees it too": (MUTE, router({A: False}), None, "hung"),
    "no packet comes back": (LOST, None, None, "unreachable"),
    "unreachable from here and from the router": (LOST, router({A: False}), None, "unreachable"),
    "its node is reached and runs no process": (LOST, None, inside(A), "dead"),
    "the router reaches it": (LOST, router({A: True}), None, "ready"),
    "the router gets answers where we get none": (MUTE, router({A: True}), None, "ready"),
    "a slot that is closed is not checked": (LOST, router({A: True}, SlotState.OFF), None, "unreachable"),
    "a router that cannot be asked says nothing": (LOST, PARTED, None, "unreachable"),
    "an error that nobody classified": (ServerSight(A, error="?"), None, None, "unreachable"),
    "it was not asked": (None, None, None, "unreachable"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_one_look_says(name: str) -> None:
    sight, routed, node, state = CASES[name]
    _, record = cluster()
    snapshot = Snapshot(
        1.0,
        servers={A: sight} if sight else {},
        routers={ROUTER: routed} if routed else {},
        nodes={"a": node} if node else {},
    )
    assert Evidence(record, snapshot).symptom(A).state == state


def test_a_server_that_nothing_is_sent_to_yet_is_starting() -> None:
    _, record = cluster()
    closed = frozenset(replace(replica, slot=SlotState.OFF) for replica in record.replicas)
    fresh = replace(record, replicas=closed)
    assert Evidence(fresh, Snapshot(1.0, servers={A: REFUSED})).symptom(A).state == "starting"
    empty = replace(record, replicas=frozenset())
    assert Evidence(empty, Snapshot(1.0, servers={A: REFUSED})).symptom(A).state == "dead"


def test_the_reason_names_who_reaches_it_and_what_happens_here() -> None:
    _, record = cluster()
    snapshot = Snapshot(1.0, servers={A: LOST}, routers={ROUTER: router({A: True})})
    assert Evidence(record, snapshot).symptom(A).why == "router main@lb reaches it; here: a/0 does not answer"


def test_the_reason_of_a_model_that_failed_is_tritons_own() -> None:
    _, record = cluster()
    found = Evidence(record, Snapshot(1.0, servers={A: FAILED})).symptom(A)
    assert (found.state, found.why) == ("without digits", "digits: bad weights")
