"""What is done to routers and the addresses that they share."""

from __future__ import annotations

from dataclasses import dataclass

from distctl.cluster.spec import RouterId
from distctl.policy.operations.base import OnRouter, Sign


@dataclass(frozen=True, slots=True)
class SetRouterUp(OnRouter):
    """Launch a router, or bring its configuration to what is wanted."""

    sign: Sign = Sign.ADD

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"{'launch' if self.sign is Sign.ADD else 'configure'} router {self.router}"


@dataclass(frozen=True, slots=True)
class DrainRouter(OnRouter):
    """Let a router end once nothing is in flight there; what was put there stays."""

    sign: Sign = Sign.UPDATE

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"drain router {self.router}"


@dataclass(frozen=True, slots=True)
class StopRouter(OnRouter):
    """Drain a router, stop it and remove what was put there. `hasty`: the cluster ends, nobody is warned."""

    hasty: bool = False
    sign: Sign = Sign.REMOVE

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"stop router {self.router}"


@dataclass(frozen=True, slots=True)
class ShareAddress(OnRouter):
    """Let a place have a router's shared address when it is its turn, or tell keepalived there anew."""

    address: str
    sign: Sign = Sign.ADD

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"share address {self.address} at {self.router}"


@dataclass(frozen=True, slots=True)
class GiveUpAddress(OnRouter):
    """Let another place have a router's shared address; what is open goes on where it is."""

    address: str
    sign: Sign = Sign.UPDATE

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"give up address {self.address} at {self.router}"


@dataclass(frozen=True, slots=True)
class RelayConnections(OnRouter):
    """Have a place send on what is open to another one, which is about to give the address up."""

    address: str
    giver: RouterId
    sign: Sign = Sign.UPDATE

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"leave what is open to {self.address} with {self.giver.place}, at {self.router}"


@dataclass(frozen=True, slots=True)
class ReleaseAddress(OnRouter):
    """End keepalived on a place, and with it its part in a router's shared address."""

    sign: Sign = Sign.REMOVE

    @property
    def text(self) -> str:
        """The operation in words."""
        return f"release the shared address of {self.router}"
