"""Ports that a plan needs and somebody else holds: found before anything is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from distctl.cluster.snapshot import Snapshot
from distctl.cluster.spec import RouterId, RouterSpec, Spec
from distctl.policy.operations import SetRouterUp, Sign, StartServer
from distctl.policy.plan import Plan


@dataclass(frozen=True, slots=True)
class Taken:
    """A port on a node that something else listens on. `holder` is its name, "?" when it cannot be seen."""

    node: str
    what: str
    port: int
    holder: str


def taken_ports(plan: Plan, spec: Spec, snapshot: Snapshot) -> tuple[Taken, ...]:
    """Every port that a step of the plan would bind and that is held already. Pure."""
    found = []
    for node, what, ports in _wanted(plan, spec):
        sight = snapshot.nodes.get(node)
        held = _held(sight.facts.get("ports", "")) if sight else {}
        found += [Taken(node, what, port, held[port]) for port in ports if port in held]
    return tuple(found)


def _wanted(plan: Plan, spec: Spec) -> Iterator[tuple[str, str, tuple[int, ...]]]:
    servers = {server.id: server for server in spec.servers}
    for step in plan.steps:
        operation = step.operation
        if isinstance(operation, StartServer) and operation.sign is Sign.ADD and operation.server in servers:
            server = servers[operation.server]
            ports = (server.http_port, server.grpc_port, server.metrics_port)
            yield operation.node, f"server {operation.server}", ports
        elif isinstance(operation, SetRouterUp) and operation.sign is Sign.ADD:
            yield operation.node, f"router {operation.router}", spec.router(operation.router.router).ports


def router_ports_taken(router: RouterSpec, id: RouterId, facts: Mapping[str, str]) -> tuple[Taken, ...]:
    """The ports of a router that does not run that somebody holds on its place. Pure."""
    held = _held(facts.get("ports", ""))
    return tuple(Taken(id.place, f"router {id}", port, held[port]) for port in router.ports if port in held)


def _held(text: str) -> dict[int, str]:
    pairs = (word.partition("=") for word in text.split())
    return {int(port): holder or "?" for port, _, holder in pairs if port.isdigit()}
