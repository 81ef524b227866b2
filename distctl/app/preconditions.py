"""What must be true of machines before a plan is carried out: ports are free, and routers reach servers."""

from __future__ import annotations

from distctl.app.change import Prepared
from distctl.app.reaching import try_ways
from distctl.app.session import Session
from distctl.errors import NodeError, Refused
from distctl.policy.ports import taken_ports
from distctl.policy.reach import lost, remedy, told, ways


def refuse(session: Session, prepared: Prepared, *, force: bool = False) -> None:
    """Raise Refused, NodeError or InputError for a plan that must not be begun; nothing was changed then.

    `force` lets it take a model's last ready replica.
    """
    if prepared.plan.interrupts and not force:
        models = ", ".join(prepared.plan.interrupts)
        raise Refused(
            f"{models} would have no ready replica while its server starts again",
            hint="give it a second replica first, or add --force",
        )
    session.needs.refuse_unresolved(prepared.plan)
    refuse_taken_ports(session, prepared)
    refuse_lost_ways(session, prepared)


def refuse_taken_ports(session: Session, prepared: Prepared) -> None:
    """Raise NodeError, with the holder's name, when a port that the plan needs is in use."""
    found = taken_ports(prepared.plan, session.spec, prepared.snapshot)
    if found:
        first = found[0]
        ports = ", ".join(f"{t.port} (by {t.holder})" for t in found if t.node == first.node)
        raise NodeError(
            first.node,
            f"start {first.what}",
            f"ports in use: {ports}; nothing was changed",
            hint="stop what holds them, or give other ports in the inventory",
        )


def refuse_lost_ways(session: Session, prepared: Prepared) -> None:
    """Raise NodeError when a router that the plan depends on cannot reach a server, with what to do."""
    tried = {(way.router, way.server) for way in prepared.ways}
    needed = ways(prepared.plan, session.spec, prepared.record.shut)
    found = (*prepared.ways, *try_ways(session, [pair for pair in needed if pair not in tried]))
    missing = [way for way in lost(found) if (way.router, way.server) in needed]
    if missing:
        first = missing[0]
        more = f" (and {len(missing) - 1} more ways)" if len(missing) > 1 else ""
        raise NodeError(
            first.router.place,
            "reach every server",
            f"{told(first)}{more}; nothing was changed",
            hint=remedy(first),
        )
