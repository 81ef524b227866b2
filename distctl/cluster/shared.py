"""One address for several places of a router: VRRP gives it to one of them at a time."""

from __future__ import annotations

from dataclasses import dataclass

from distctl.cluster.names import RouterId

DRAWN_BACK = "-drawn-back"  # how the settings of a place end that draws back


@dataclass(frozen=True, slots=True)
class SharedAddress:
    """What the inventory says of it. Every place listens on all its interfaces, and one has it."""

    address: str
    virtual_router_id: int  # 1 to 255, the same on every place and nobody else's in that network
    interface: str | None = None  # None: the one whose network holds the address
    prefix: int = 32  # bits; 32, of IPv6 128: the address brings no route of its own
    interval: float = 0.3  # seconds between two advertisements; three are missed before another takes over
    multicast: bool = False  # to VRRP's own group instead of to each place

    @property
    def sixth(self) -> bool:
        """Whether it is an address of IPv6."""
        return ":" in self.address


@dataclass(frozen=True, slots=True)
class AddressView:
    """All that keepalived's configuration on one place says."""

    id: RouterId
    cluster: str
    shared: SharedAddress
    interface: str
    source: str  # the place's own address there
    peers: tuple[str, ...]  # the other places', sorted
    check_port: int  # where the router of this place tells that it is alive
    client_ports: tuple[int, ...] = ()  # where clients reach the router
    yields: bool = False  # it draws back: any other place that is alive is to have the address


@dataclass(frozen=True, slots=True)
class AddressSight:
    """What was seen of a shared address on one place."""

    id: RouterId
    running: bool = False
    settings: str = ""  # what the running keepalived was told last
    holds: bool = False  # the address is on one of the place's interfaces
    error: str = ""

    @property
    def drawn_back(self) -> bool:
        """Whether it was told to let any other place have the address."""
        return self.settings.endswith(DRAWN_BACK)


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a place cannot share an address, and what to do about it."""

    why: str
    remedy: str
