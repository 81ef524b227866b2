"""A port that a plan would bind and somebody holds is named before anything is changed."""

import pytest
from rehearsal import ROUTER, model, node, spec

from distctl.cluster.snapshot import NodeSight, Snapshot
from distctl.cluster.spec import ServerId
from distctl.policy.operations import Operation, SetRouterUp, Sign, StartServer, StopServer
from distctl.policy.plan import Draft
from distctl.policy.ports import Taken, taken_ports

SPEC = spec([node("a")], [model("digits")])
A = ServerId("a", "0")


def taken(operation: Operation, ports: str) -> tuple[Taken, ...]:
    draft = Draft()
    draft.add(operation, "")
    nodes = {name: NodeSight(name, reachable=True, facts={"ports": ports}) for name in ("a", "lb")}
    return taken_ports(draft.plan(), SPEC, Snapshot(0.0, nodes))


@pytest.mark.parametrize(
    ("operation", "ports", "expected"),
    [
        (StartServer(A, ()), "22=sshd", []),
        (StartServer(A, ()), "22=sshd 9001=nginx", [Taken("a", "server a/0", 9001, "nginx")]),
        (
            StartServer(A, ()),
            "9000= 9002",
            [Taken("a", "server a/0", 9000, "?"), Taken("a", "server a/0", 9002, "?")],
        ),
        (StartServer(A, ()), "", []),
        (StartServer(A, ()), "nonsense =x 9000x=y", []),
        # its own process holds them
        (StartServer(A, (), Sign.UPDATE), "9000=tritonserver", []),
        (StopServer(A), "9000=tritonserver", []),
        (SetRouterUp(ROUTER), "8000=nginx 9000=x", [Taken("lb", "router main@lb", 8000, "nginx")]),
        (SetRouterUp(ROUTER, Sign.UPDATE), "8000=haproxy", []),
        # a server that the file does not have is nobody's
        (StartServer(ServerId("gone", "0"), ()), "9000=nginx", []),
    ],
)
def test_which_ports_are_taken(operation: Operation, ports: str, expected: list[Taken]) -> None:
    assert list(taken(operation, ports)) == expected


def test_a_node_that_was_not_looked_at_holds_nothing() -> None:
    draft = Draft()
    draft.add(StartServer(A, ()), "")
    assert taken_ports(draft.plan(), SPEC, Snapshot(0.0)) == ()
