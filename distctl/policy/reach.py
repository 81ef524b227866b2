"""Whether a router reaches its servers, which is not what ssh reaches: jump hosts, NAT and firewalls differ.

A way is tried by connecting to a server's serve address from the router's place. A refusal is an answer:
packets come back, and nothing listens yet. Silence and a missing route are none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from distctl.cluster.spec import Endpoint, RouterId, ServerId, Spec
from distctl.policy.operations import Join, SetRouterUp, StartServer
from distctl.policy.plan import Plan

ROUND_TRIP = "servers.round_trip"  # the fact of a router's place: the slowest way to a server, milliseconds


@dataclass(frozen=True, slots=True)
class Way:
    """One way from a router to a server, as it was tried.

    `milliseconds` is the best round trip measured, None when nothing answered; `problem` says why then.
    """

    router: RouterId
    server: ServerId
    endpoint: Endpoint
    milliseconds: float | None = None
    problem: str = ""


def ways(plan: Plan, spec: Spec, off: frozenset[str] = frozenset()) -> tuple[tuple[RouterId, ServerId], ...]:
    """The ways that a plan depends on: each router to each server that is launched, started or joined.

    None when the plan changes no router and starts no server. Routers that the plan leaves alone because
    they do not answer are left out, and so are servers of nodes that are `off` on purpose.
    """
    silent = {skip.subject for skip in plan.skipped}
    routers = [r for r in spec.router_ids if str(r) not in silent and r.place not in silent]
    operations = [step.operation for step in plan.steps]
    launched = {op.router for op in operations if isinstance(op, SetRouterUp)}
    touched = {op.server for op in operations if isinstance(op, (StartServer, Join))}
    away = {s.id for s in spec.servers if s.id.node in silent | off or str(s.id) in silent}
    return tuple(
        (router, server.id)
        for router in routers
        for server in spec.servers
        if server.id not in away and (router in launched or server.id in touched)
    )


def slowest(found: Iterable[Way], place: str) -> float | None:
    """The slowest measured round trip from a router's place, milliseconds; None when nothing answered."""
    times = [way.milliseconds for way in found if way.router.place == place and way.milliseconds is not None]
    return max(times, default=None)


def lost(found: Sequence[Way]) -> tuple[Way, ...]:
    """The ways on which nothing answered."""
    return tuple(way for way in found if way.milliseconds is None)


def told(way: Way) -> str:
    """What is wrong with a way, in words."""
    return f"router {way.router} cannot reach {way.server} at {way.endpoint}: {way.problem}"


def remedy(way: Way) -> str:
    """What to do about it."""
    node = way.server.node
    return (
        f"put the router on a node that reaches it (routers: {way.router.router}: on: [{node}]), "
        f"set `serve_address` of {node} to an address that {way.router.place} reaches, "
        f"or open port {way.endpoint.port} there for {way.router.place}"
    )
