"""How changes are marked, and where they happen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from distctl.cluster.spec import RouterId, ServerId


class Sign(str, Enum):
    """How a change is marked in a plan."""

    ADD = "+"
    UPDATE = "~"
    REMOVE = "-"


@dataclass(frozen=True, slots=True)
class OnServer:
    """What is done to one server."""

    server: ServerId

    @property
    def node(self) -> str:
        """The node it happens on."""
        return self.server.node


@dataclass(frozen=True, slots=True)
class OnRouter:
    """What is done to one router."""

    router: RouterId

    @property
    def node(self) -> str:
        """The place it happens on."""
        return self.router.place
