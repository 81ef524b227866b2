"""Which ways from routers to servers a plan depends on, and what is said of those that lead nowhere."""

import pytest

from distctl.cluster.spec import (
    Connection,
    Endpoint,
    Node,
    RouterId,
    RouterSpec,
    Runtime,
    RuntimeKind,
    Server,
    ServerId,
    Spec,
)
from distctl.policy.operations import Join, Leave, SetRouterUp, StartServer
from distctl.policy.plan import Draft, Skip
from distctl.policy.reach import Way, lost, remedy, slowest, told, ways

MAIN = RouterId("main", "lb")
A, B = ServerId("a", "0"), ServerId("b", "0")


def node(name: str) -> Node:
    servers = (Server(ServerId(name, "0"), f"10.0.0.{ord(name[0])}", 9000, 9001, 9002),)
    return Node(
        name,
        Connection.SSH,
        name,
        name,
        runtime=Runtime(RuntimeKind.BINARY),
        servers=servers if name != "lb" else (),
    )


SPEC = Spec("test", (node("lb"), node("a"), node("b")), (), (RouterSpec("main", ("lb",)),))


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ((), ()),
        ((SetRouterUp(MAIN),), ((MAIN, A), (MAIN, B))),
        ((StartServer(B, ("m",)),), ((MAIN, B),)),
        ((Join(A, "m"),), ((MAIN, A),)),
        ((Leave(A, ("m",)),), ()),
    ],
)
def test_ways_that_a_plan_depends_on(operations, expected):
    draft = Draft()
    for operation in operations:
        draft.add(operation, "why")
    assert ways(draft.plan(), SPEC) == expected


@pytest.mark.parametrize(("subject", "expected"), [("b", ((MAIN, A),)), ("lb", ()), ("main@lb", ())])
def test_what_is_left_alone_needs_no_way(subject, expected):
    draft = Draft(skipped=[Skip(subject, "timed out")])
    draft.add(SetRouterUp(MAIN), "why")
    assert ways(draft.plan(), SPEC) == expected


def test_the_slowest_way_that_answered_counts():
    found = (
        Way(MAIN, A, Endpoint("10.0.0.1", 9000), 0.2),
        Way(MAIN, B, Endpoint("10.0.0.2", 9000), 7.5),
        Way(RouterId("main", "lb2"), B, Endpoint("10.0.0.2", 9000), 90.0),
        Way(MAIN, ServerId("c", "0"), Endpoint("10.0.0.3", 9000), problem="timed out"),
    )
    assert slowest(found, "lb") == 7.5
    assert slowest(found, "elsewhere") is None
    assert lost(found) == found[3:]


def test_a_lost_way_is_told_with_three_remedies_and_ipv6_in_brackets():
    way = Way(MAIN, B, Endpoint("fd00::7", 9000), problem="No route to host")
    assert told(way) == "router main@lb cannot reach b/0 at [fd00::7]:9000: No route to host"
    assert remedy(way) == (
        "put the router on a node that reaches it (routers: main: on: [b]), set `serve_address` of b to an "
        "address that lb reaches, or open port 9000 there for lb"
    )


def test_a_router_that_is_launched_needs_no_way_to_a_node_that_is_off():
    draft = Draft()
    draft.add(SetRouterUp(MAIN), "why")
    assert ways(draft.plan(), SPEC, frozenset({"b"})) == ((MAIN, A),)
