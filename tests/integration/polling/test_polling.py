"""Servers that are watched: each field is read, and whoever is slow, lies or is dead delays nobody."""

from __future__ import annotations

import time

from polling_parts import eventually

from distctl.cluster.router import RouterSight
from distctl.cluster.snapshot import GpuUse, ModelState, ReplicaSight, Service, Use
from distctl.cluster.spec import RouterId, ServerId
from distctl.errors import RouterError
from distctl.testing.many import GPU, MODELS


def test_everything_that_a_server_answers_is_read(crowd, poller, seen):
    poller.aim([crowd.target(1)], {})
    sight = seen(1)
    assert (sight.live, sight.ready, sight.error) == (True, True, "")
    assert sight.replicas == dict.fromkeys(MODELS, ReplicaSight(ModelState.READY))
    assert sight.service == dict.fromkeys(MODELS, Service(200, 6.0, waited=2.0))
    assert sight.pending == dict.fromkeys(MODELS, 3)
    gpu = GpuUse(0.5, 2_000_000_000, 8_000_000_000)
    assert sight.use == Use(0.25, 16_000_000_000, 64_000_000_000, {GPU: gpu})
    assert sight.gpus == (GPU,)
    assert abs(sight.at - time.time()) < 5


LIES = {
    "hang": (False, "does not answer in time"),
    "drop": (False, "does not answer: "),
    "slow": (False, "does not answer in time"),
    "endless": (False, "does not answer in time"),
    "html": (False, "answers like a web page, not like Triton"),
    "huge": (True, "models: answers with more than 1 MiB; statistics: answers with more than 1 MiB"),
    "garbage": (True, "models: this is no repository index"),
}


def test_whoever_is_slow_or_lies_is_told_and_delays_nobody(crowd, poller, seen):
    good, bad = range(10), dict(enumerate(LIES, start=10))
    crowd.behave(**{f"n{number}": how for number, how in bad.items()})
    poller.aim([crowd.target(number) for number in (*good, *bad)], {})
    poller.servers(wait=5.0)
    ages = []
    for _ in range(30):
        time.sleep(0.1)
        ages.append(time.time() - min(seen(number).at for number in good))
    assert max(ages) < 1.7, "a good server is asked each second, whatever the others do"
    assert all(seen(number).live and not seen(number).error for number in good)
    for number, how in bad.items():
        live, words = LIES[how]
        assert seen(number).live is live, how
        assert words in seen(number).error, how
        assert str(crowd.target(number).http) in seen(number).error


def test_a_dead_server_is_left_alone_for_ever_longer_and_found_again(crowd, poller, seen):
    """And the connection to a live one ends now and then: at SIGTERM Triton waits for each that is open."""
    crowd.behave(n1="drop")
    poller.aim([crowd.target(1), crowd.target(2)], {})
    eventually(lambda: "does not answer" in seen(1).error)
    time.sleep(7)
    asked = crowd.asked(2, "/v2/health/live"), crowd.asked(2, "/metrics")
    assert 2 <= crowd.asked(2, "connection") - asked[1] <= 3, "five seconds each, and metrics have their own"
    assert min(asked) >= 7
    asked = crowd.asked(1, "/v2/health/live")
    assert 4 <= asked <= 10, "once a second at first; an idempotent question may be sent twice"
    crowd.behave(n1="well")
    poller.hurry()
    assert eventually(lambda: seen(1).live and len(seen(1).replicas) == 3) < 1.0
    assert seen(1).error == ""


def test_a_model_whose_process_died_is_not_ready_until_it_says_so_again(crowd, poller, seen):
    poller.aim([crowd.target(1)], {})
    assert seen(1).replicas["chat"].state is ModelState.READY
    crowd.behave(n1="unready")
    eventually(lambda: seen(1).replicas["chat"].state is ModelState.UNAVAILABLE)
    assert "says that it is not ready" in seen(1).replicas["chat"].reason
    for _ in range(20):
        time.sleep(0.1)
        assert seen(1).replicas["chat"].state is ModelState.UNAVAILABLE, "the index alone changes nothing"
    crowd.behave(n1="well")
    eventually(lambda: seen(1).replicas["chat"].state is ModelState.READY)


def test_who_is_watched_can_change(crowd, poller):
    poller.aim([crowd.target(1), crowd.target(2)], {})
    assert {id.node for id, sight in poller.servers(wait=5.0).items() if sight.live} == {"n1", "n2"}
    poller.aim([crowd.target(2), crowd.target(3)], {})
    assert {id.node for id, sight in poller.servers(wait=5.0).items() if sight.live} == {"n2", "n3"}
    time.sleep(0.2)
    before = crowd.asked(1, "/v2/health/live")
    time.sleep(1.5)
    assert crowd.asked(1, "/v2/health/live") == before
    poller.aim([], {})
    assert poller.servers() == {}


def test_routers_are_asked_beside_each_other_and_one_that_hangs_is_told_as_not_asked(poller):
    good, bad, hung = (RouterId("main", place) for place in ("lb1", "lb2", "lb3"))

    def refuses() -> RouterSight:
        raise RouterError("it is closed to us")

    def hangs() -> RouterSight:
        time.sleep(3)
        return RouterSight(hung, running=True)

    poller.aim([], {good: lambda: RouterSight(good, running=True, pid=7), bad: refuses, hung: hangs})
    sights = poller.routers(wait=1.0)
    assert sights[good] == RouterSight(good, running=True, pid=7)
    assert (sights[bad].running, sights[bad].error) == (False, "it is closed to us")
    assert sights[hung].error == "not asked yet"


def test_the_first_request_held_for_a_model_that_sleeps_ends_a_rest_once(poller):
    router, begun = RouterId("main", "lb1"), time.monotonic()
    asked: list[float] = []

    def glances() -> RouterSight:
        asked.append(time.monotonic())
        return RouterSight(router, running=True, held={"m": int(time.monotonic() > begun + 1.5)})

    poller.aim([], {router: glances}, brisk=True)
    poller.rest(1.0)
    assert len(asked) >= 4, "a router is asked often meanwhile"
    poller.rest(5.0)
    assert 1.5 <= time.monotonic() - begun < 2.5
    assert poller.routers()[router].held == {"m": 1}
    again = time.monotonic()
    poller.rest(0.5)
    assert time.monotonic() - again >= 0.5, "who still waits is known"


def test_a_server_that_was_not_asked_yet_is_told_as_that(crowd, poller):
    poller.aim([crowd.target(1)], {})
    assert poller.servers()[ServerId("n1", "0")].error in ("not asked yet", "")


def test_whoever_is_new_is_waited_for_once(crowd, poller):
    crowd.behave(n1="hang")
    poller.aim([crowd.target(1)], {})
    waited = []
    for _ in range(2):
        begun = time.monotonic()
        assert poller.servers(wait=0.5)[ServerId("n1", "0")].error == "not asked yet"
        waited.append(time.monotonic() - begun)
    assert waited[0] >= 0.4
    assert waited[1] < 0.3
