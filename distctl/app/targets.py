"""Where the routers' metrics are, for those who watch them from elsewhere."""

from __future__ import annotations

from distctl.app.session import Session
from distctl.cluster.spec import Endpoint, RouterId
from distctl.commands.prometheus import Target
from distctl.errors import InputError

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - what a router may be told to listen on


def targets(session: Session) -> list[Target]:
    """Every router on every place. Raises InputError when there is none."""
    found = [_target(session, router) for router in session.spec.router_ids]
    if not found:
        raise InputError("the inventory has no router", hint="write one below routers:")
    return found


def _target(session: Session, router: RouterId) -> Target:
    wanted = session.spec.router(router.router)
    place = session.node(router.place).serve_address
    host = place if wanted.address in EVERYWHERE else wanted.address
    return Target(router, Endpoint(host, wanted.metrics_port))
