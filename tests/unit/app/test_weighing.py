"""Weights that follow what requests cost: recorded, told to every router, and then at rest."""

from __future__ import annotations

from dataclasses import replace

from rehearsal import ROUTER, Operator, model, node, spec

from distctl.app.change import look
from distctl.app.leasing import leased
from distctl.app.losses import remember_lost
from distctl.app.weighing import told, weigh
from distctl.cluster.router import Lost, RouterSight
from distctl.cluster.snapshot import Instant, Service, Snapshot
from distctl.cluster.spec import ServerId
from distctl.policy.weights import Weight

QUICK, SLOW = ServerId("a", "0"), ServerId("b", "0")


def served() -> Operator:
    """Two servers of one model that serve, one of them three times as slow."""
    operator = Operator(spec([node("a"), node("b")], [model("digits", 2)]))
    operator.up()
    operator.cluster.triton(QUICK).service["digits"] = Service(1000, 18.0)
    operator.cluster.triton(SLOW).service["digits"] = Service(1000, 58.0)
    return operator


def weighed(operator: Operator) -> tuple[Weight, ...]:
    """What `up` does once its plan was carried out."""
    session = operator.session()
    with leased(session, "test") as keeper:
        return weigh(session, keeper, look(session, session.store.load()))


def routed(operator: Operator) -> dict[ServerId, int]:
    view = operator.cluster.router(ROUTER).view
    assert view is not None
    return {slot.server: slot.weight for pool in view.pools for slot in pool.slots}


def test_a_slow_server_gets_its_share_and_the_reason_is_an_event() -> None:
    operator = served()
    found = weighed(operator)
    assert [told(weight) for weight in found] == [
        "digits on a/0: weight 100 to 150, 18.0 ms a request",
        "digits on b/0: weight 100 to 50, 58.0 ms a request",
    ]
    assert routed(operator) == {QUICK: 150, SLOW: 50}
    (event,) = [e for e in operator.cluster.store.events() if e.kind == "weights"]
    assert event.text == "; ".join(told(weight) for weight in found)
    assert weighed(operator) == ()


def test_weights_outlive_the_next_look_and_are_no_change_of_their_own() -> None:
    operator = served()
    weighed(operator)
    assert operator.plan().empty
    operator.up()
    operator.drain("a")
    operator.undrain("a")
    assert routed(operator) == {QUICK: 150, SLOW: 50}


def test_a_policy_that_is_not_by_load_has_equal_weights() -> None:
    operator = served()
    (digits,) = operator.spec.models
    operator.spec = replace(operator.spec, models=(replace(digits, policy="round-robin"),))
    assert weighed(operator) == ()


def lost_at(at: Instant) -> Lost:
    return Lost(at, "digits", "r-7", "10.0.0.9", (QUICK, SLOW))


def test_a_request_that_took_two_servers_is_remembered_once() -> None:
    operator = served()
    session = operator.session()
    sight = RouterSight(ROUTER, running=True, lost=(lost_at(50.0),))
    snapshot = Snapshot(at=60.0, routers={ROUTER: sight})
    (event,) = remember_lost(session, snapshot)
    assert "request r-7 to digits" in event.text and "a/0 and b/0 went down" in event.text
    assert remember_lost(session, snapshot) == []
    assert [e.text for e in operator.cluster.store.events() if e.kind == "lost"] == [event.text]
