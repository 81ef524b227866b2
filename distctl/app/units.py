"""The supervised processes that names on the command line stand for, and what they said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from distctl.app.session import Session
from distctl.errors import InputError


@dataclass(frozen=True, slots=True)
class Unit:
    """A supervised process: its place, its name there, and what it is called in commands."""

    place: str
    name: str
    subject: str


def units_of(session: Session, names: Sequence[str]) -> list[Unit]:
    """The units of nodes, servers (n1/0) and routers, each once. Raises InputError for an unknown name.

    The record is asked only where the file does not say which servers there are.
    """
    if any(node.per_device for node in session.spec.nodes):
        session.remember(session.store.load())
    return list(dict.fromkeys(unit for name in names for unit in _units(session, name)))


def _units(session: Session, name: str) -> list[Unit]:
    spec = session.spec
    routers = [r for r in spec.router_ids if name in (r.router, str(r))]
    servers = [s.id for s in spec.servers if name in (s.id.node, str(s.id))]
    unknown = next((n for n in spec.nodes if n.name == name and n.per_device and not servers), None)
    if unknown is not None:
        raise InputError(f"{name} has no server yet: {unknown.per_device}", hint="distctl up")
    if not routers and not servers and name not in {node.name for node in spec.nodes}:
        known = {n.name for n in spec.nodes} | {r.name for r in spec.routers}
        known |= {str(s.id) for s in spec.servers if s.id.node == name.partition("/")[0]}
        raise InputError(f"there is no node, server or router {name!r}", hint=", ".join(sorted(known)))
    sharing = [router for router in routers if spec.router(router.router).shared]
    return [
        *(Unit(router.place, f"router-{router.router}", str(router)) for router in routers),
        *(Unit(r.place, f"keepalived-{r.router}", f"{r} keepalived") for r in sharing),
        *(Unit(server.node, f"server-{server.server}", str(server)) for server in servers),
    ]


def tail(session: Session, unit: Unit, lines: int) -> list[str]:
    """The last lines of a unit's log."""
    return session.world.node(unit.place).tail(unit.name, lines)
