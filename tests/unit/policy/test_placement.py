"""Where replicas go: what is placed stays, then emptiest nodes, emptiest servers, the inventory's order."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rehearsal import model, node, spec

from distctl.cluster.spec import ServerId
from distctl.policy.placement import Ground, Placement, barred, place

SPEC = spec(
    [node("a", gpu="a100"), node("b", gpu="l4"), node("c", servers=2, gpu="a100"), node("x", external=True)],
    [model("digits"), model("xray", gpu="a100")],
)


def at(*texts: str) -> frozenset[tuple[ServerId, str]]:
    """`digits@a/0` as a place."""
    split = (text.partition("@") for text in texts)
    return frozenset((ServerId(*server.split("/")), name) for name, _, server in split)


def put(digits: int = 0, xray: int = 0, **ground: object) -> Placement:
    return place(SPEC, {"digits": digits, "xray": xray}, Ground(**ground))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "ground", "expected"),
    [
        ({"digits": 0}, {}, []),
        ({"digits": 1}, {}, ["digits@a/0"]),
        ({"digits": 4}, {}, ["digits@a/0", "digits@b/0", "digits@c/0", "digits@c/1"]),
        # the emptiest first: digits took a and b
        ({"digits": 2, "xray": 1}, {}, ["digits@a/0", "digits@b/0", "xray@c/0"]),
        # nodes before servers of one node, also where another model has filled them
        ({"xray": 2}, {"existing": at("xray@c/1")}, ["xray@c/1", "xray@a/0"]),
        (
            {"digits": 4, "xray": 2},
            {},
            ["digits@a/0", "digits@b/0", "digits@c/0", "digits@c/1", "xray@a/0", "xray@c/0"],
        ),
        # too many: those beside another one on their node leave first
        ({"xray": 2}, {"existing": at("xray@c/0", "xray@c/1", "xray@a/0")}, ["xray@c/0", "xray@a/0"]),
        # a server without its device gets nothing new and keeps what it has
        ({"digits": 2}, {"lost": frozenset({ServerId("a", "0")})}, ["digits@b/0", "digits@c/0"]),
        ({"xray": 1}, {"lost": frozenset({ServerId("a", "0")}), "existing": at("xray@a/0")}, ["xray@a/0"]),
        # what is placed stays, also on a cordoned node
        ({"digits": 1}, {"existing": at("digits@b/0")}, ["digits@b/0"]),
        ({"digits": 1}, {"existing": at("digits@b/0"), "cordoned": frozenset("b")}, ["digits@b/0"]),
        ({"digits": 1}, {"cordoned": frozenset("a")}, ["digits@b/0"]),
        ({"digits": 1}, {"unreachable": frozenset("ab")}, ["digits@c/0"]),
        # a node that cannot be reached keeps what it has
        ({"digits": 1}, {"existing": at("digits@a/0"), "unreachable": frozenset("a")}, ["digits@a/0"]),
        # on a draining node nothing serves, and a replacement is placed
        ({"digits": 1}, {"existing": at("digits@a/0"), "draining": frozenset("a")}, ["digits@b/0"]),
        # too many: those that do not answer leave first, then those on the fullest servers
        (
            {"digits": 1},
            {"existing": at("digits@a/0", "digits@b/0"), "answering": at("digits@b/0")},
            ["digits@b/0"],
        ),
        (
            {"digits": 1, "xray": 1},
            {"existing": at("digits@a/0", "digits@b/0", "xray@a/0")},
            ["digits@b/0", "xray@a/0"],
        ),
        # labels are honoured, also for what is placed already
        ({"xray": 3}, {}, ["xray@a/0", "xray@c/0", "xray@c/1"]),
        ({"xray": 1}, {"existing": at("xray@b/0")}, ["xray@a/0"]),
        # what an external server runs counts and stays; nothing is placed there
        ({"digits": 2}, {"outside": at("digits@x/0")}, ["digits@x/0", "digits@a/0"]),
        ({"digits": 0}, {"outside": at("digits@x/0")}, ["digits@x/0"]),
        ({"digits": 1}, {"outside": at("digits@x/0"), "draining": frozenset("x")}, ["digits@a/0"]),
    ],
)
def test_where_replicas_serve(wanted: dict[str, int], ground: dict[str, object], expected: list[str]) -> None:
    assert put(**wanted, **ground).serving == at(*expected)


def test_what_rests_on_a_draining_node_stays_loaded_there() -> None:
    found = put(digits=1, existing=at("digits@a/0"), draining=frozenset("a"))
    assert found.resting == at("digits@a/0")


def test_what_does_not_fit_a_draining_node_any_more_does_not_rest_there() -> None:
    assert put(xray=1, existing=at("xray@b/0"), draining=frozenset("b")).resting == at()


@pytest.mark.parametrize(
    ("wanted", "ground", "placed", "why"),
    [
        ({"xray": 4}, {}, 3, "3 servers fit gpu=a100"),
        ({"digits": 6}, {}, 4, "5 servers fit"),
        (
            {"xray": 3},
            {"lost": frozenset({ServerId("c", "1")})},
            2,
            "3 servers fit gpu=a100; without their GPU: c/1",
        ),
        (
            {"xray": 3},
            {"cordoned": frozenset("a"), "unreachable": frozenset("c")},
            0,
            "3 servers fit gpu=a100; closed to new replicas: a; not reachable: c",
        ),
    ],
)
def test_a_shortage_says_what_stands_in_the_way(
    wanted: dict[str, int], ground: dict[str, object], placed: int, why: str
) -> None:
    (shortage,) = put(**wanted, **ground).shortages
    assert (shortage.model, shortage.wanted) == next(iter(wanted.items()))
    assert (shortage.placed, shortage.why) == (placed, why)


some = st.frozensets(st.sampled_from("abcx"))


@given(st.integers(0, 6), st.integers(0, 6), some, some, some)
def test_placing_again_what_was_placed_changes_nothing(
    digits: int, xray: int, draining: frozenset[str], cordoned: frozenset[str], unreachable: frozenset[str]
) -> None:
    closed = {"draining": draining, "cordoned": cordoned, "unreachable": unreachable}
    first = put(digits, xray, **closed)
    again = put(digits, xray, existing=first.serving | first.resting, answering=first.serving, **closed)
    assert again.serving == first.serving


@given(st.integers(0, 6), st.integers(0, 6))
def test_no_model_twice_in_a_server_and_never_more_than_wanted(digits: int, xray: int) -> None:
    found = put(digits, xray)
    for name, wanted in (("digits", digits), ("xray", xray)):
        assert sum(1 for _, model in found.serving if model == name) <= wanted
    missing = {s.model: s.wanted - s.placed for s in found.shortages}
    assert len(found.serving) + sum(missing.values()) == digits + xray


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.integers(0, 12), st.integers(0, 12))
def test_replicas_are_spread_over_nodes_as_evenly_as_servers_allow(
    servers: list[int], few: int, more: int
) -> None:
    """Also as their number changes: no node has two more of a model than one that has a free server."""
    some = spec([node(f"n{i}", servers=count) for i, count in enumerate(servers)], [model("digits")])
    first = place(some, {"digits": few}, Ground()).serving
    for found in (first, place(some, {"digits": more}, Ground(existing=first, answering=first)).serving):
        on = Counter(server.node for server, _ in found)
        free = [f"n{i}" for i, count in enumerate(servers) if on[f"n{i}"] < count]
        assert all(count <= on[name] + 1 for name in free for count in on.values())


def test_the_order_of_the_inventory_decides_between_equals() -> None:
    turned = replace(SPEC, nodes=tuple(reversed(SPEC.nodes)))
    assert place(turned, {"digits": 1, "xray": 0}, Ground()).serving == at("digits@c/0")


@given(
    st.frozensets(st.sampled_from("abcx")),
    st.frozensets(st.sampled_from("abcx")),
    st.frozensets(st.sampled_from("abcx")),
    st.frozensets(st.sampled_from("abcx")),
    st.frozensets(st.sampled_from([server.id for server in SPEC.servers])),
    st.frozensets(st.sampled_from([server.id for server in SPEC.servers])),
)
def test_a_server_gets_a_new_replica_unless_it_is_told_why_not(
    draining: frozenset[str],
    cordoned: frozenset[str],
    unreachable: frozenset[str],
    off: frozenset[str],
    lost: frozenset[ServerId],
    gone: frozenset[ServerId],
) -> None:
    closed = {"draining": draining, "cordoned": cordoned, "unreachable": unreachable, "off": off}
    ground = Ground(**closed, lost=lost, gone=gone)
    for wanted in SPEC.models:
        placed = place(SPEC, {"digits": 0, "xray": 0, wanted.name: 99}, ground).serving
        open_ = {s.id for n in SPEC.nodes for s in n.servers if not barred(wanted, n, s.id, ground)}
        assert {server for server, _ in placed} == open_
