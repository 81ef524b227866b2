"""Names for the shell's completion, read from the inventory; an unreadable one completes nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distctl.cluster.spec import Spec


def nodes(incomplete: str) -> list[str]:
    """Node names that begin so."""
    spec = _spec()
    return [n.name for n in spec.nodes if n.name.startswith(incomplete)] if spec else []


def nodes_and_routers(incomplete: str) -> list[str]:
    """Node and router names that begin so, and the servers (n1/0) of nodes that have several."""
    spec = _spec()
    if spec is None:
        return []
    servers = [str(s.id) for n in spec.nodes if len(n.servers) > 1 for s in n.servers]
    routers = [r.name for r in spec.routers]
    return [*nodes(incomplete), *(name for name in (*servers, *routers) if name.startswith(incomplete))]


def models(incomplete: str) -> list[str]:
    """Model names that begin so."""
    spec = _spec()
    return [m.name for m in spec.models if m.name.startswith(incomplete)] if spec else []


def everything(incomplete: str) -> list[str]:
    """Nodes, servers, models and routers, on a place too, that begin so."""
    return list(dict.fromkeys([*nodes_and_routers(incomplete), *models(incomplete), *routers(incomplete)]))


def counts(incomplete: str) -> list[str]:
    """`MODEL=` for models that begin so."""
    return [f"{name}=" for name in models(incomplete)]


def routers(incomplete: str) -> list[str]:
    """Routers, and routers on one place (main@lb01), that begin so."""
    spec = _spec()
    known = [*(r.name for r in spec.routers), *map(str, spec.router_ids)] if spec else []
    return [name for name in known if name.startswith(incomplete)]


def router_counts(incomplete: str) -> list[str]:
    """`NAME=` for routers that begin so."""
    spec = _spec()
    return [f"{r.name}=" for r in spec.routers if r.name.startswith(incomplete)] if spec else []


def _spec() -> Spec | None:
    from distctl.config import find, load
    from distctl.errors import DistctlError

    try:
        return load(find(None, os.environ, Path.cwd())).spec
    except (DistctlError, OSError):
        return None
