"""One address for several places of a router: what may be said of it, what it means, and what cannot be."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from distctl.cluster.router_spec import RouterSpec
from distctl.cluster.shared import SharedAddress
from distctl.cluster.spec import Node
from distctl.config.problems import Path, Problem
from distctl.config.sections import Section
from distctl.config.values import Duration, Interface, refuse

WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - recognised, not bound
ROUTER_IDS = 255  # VRRP's field has eight bits, and 0 is none (RFC 5798, 5.2.3)
LEAST, MOST = 0.1, 40.0  # seconds: VRRPv3 counts in hundredths, in twelve bits


def _interval(value: float) -> float:
    if not LEAST <= value <= MOST:
        refuse("cannot be the interval of advertisements", "write 100ms to 40s")
    return value


class KeepalivedSection(Section):
    """How the places of a router share its address."""

    interface: Interface | None = Field(
        default=None, description="absent: the one whose network holds the address, on each place"
    )
    virtual_router_id: Annotated[int, Field(ge=1, le=ROUTER_IDS)] | None = Field(
        default=None, description="VRRP's own number; absent: made from the names of cluster and router"
    )
    prefix: Annotated[int, Field(ge=8, le=128)] | None = Field(
        default=None, description="bits of the network that the address brings along; absent: all, so none"
    )
    interval: Annotated[Duration, AfterValidator(_interval)] = Field(
        default=0.3, description="between advertisements; three are missed before a takeover (300ms)"
    )
    multicast: bool = Field(default=False, description="advertise to VRRP's group, not to each place")


def shared_address(
    cluster: str, router: str, address: str | None, said: KeepalivedSection | None, places: Sequence[str]
) -> SharedAddress | None:
    """What the places of a router share; None when its address is one that a place listens on."""
    if address is None or address in WILDCARDS or (said is None and len(places) == 1):
        return None
    said = said or KeepalivedSection()
    return SharedAddress(
        address=_plain(address),
        virtual_router_id=said.virtual_router_id or _router_id(cluster, router),
        interface=said.interface,
        prefix=said.prefix or (128 if ":" in address else 32),
        interval=said.interval,
        multicast=said.multicast,
    )


def _plain(address: str) -> str:
    """An address as everybody writes it; a name, which `address_problems` refuses, as it is."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return address


def _router_id(cluster: str, router: str) -> int:
    """The same for the same names, so that a new place speaks with those that run."""
    return int.from_bytes(hashlib.sha256(f"{cluster}/{router}".encode()).digest()[:4], "big") % ROUTER_IDS + 1


def address_problems(
    router: str, address: str | None, said: KeepalivedSection | None, places: Sequence[str], local: str
) -> Iterator[Problem]:
    """Why the places of a router cannot share its address, as far as the router's own section tells."""
    here: Path = ("routers", router)
    shared = address is not None and address not in WILDCARDS
    if said is not None and not shared:
        hint = "write address: the one that clients use, on one place at a time"
        yield Problem((*here, "keepalived"), "there is no address to share", hint)
    elif said is not None and len(places) == 1:
        hint = f"add a place to `on`, or remove keepalived: {places[0]} then listens on the address alone"
        yield Problem((*here, "keepalived"), "one place only: nobody could take the address over", hint)
    elif shared and len(places) > 1:
        yield from _unfit(here, str(address), said, places, local)


def _unfit(
    here: Path, address: str, said: KeepalivedSection | None, places: Sequence[str], local: str
) -> Iterator[Problem]:
    if local in places:
        hint = "name this machine as a node: {connection: local, address: its own, servers: none}"
        yield Problem((*here, "on"), "`local` cannot share an address: nobody knows its own", hint)
    try:
        bits = ipaddress.ip_address(address).max_prefixlen
    except ValueError:
        hint = "write an address that no machine has"
        yield Problem((*here, "address"), "several places share an IP address, not a name", hint)
        return
    if said and said.prefix and said.prefix > bits:
        hint = f"write 8 to {bits}"
        yield Problem((*here, "keepalived", "prefix"), f"an address of IPv4 has {bits} bits", hint)


def sharing_problems(routers: Iterable[RouterSpec], nodes: Mapping[str, Node]) -> Iterator[Problem]:
    """Addresses that somebody has already, and numbers that two routers would speak with."""
    ids: dict[int, str] = {}
    addresses = {address: name for name, n in nodes.items() for address in (n.address, n.serve_address)}
    for router in routers:
        if router.shared is None:
            continue
        address, number = router.shared.address, router.shared.virtual_router_id
        if address in addresses:
            hint = "write one that no machine has: keepalived gives it to one place at a time"
            owner = addresses[address]
            other = f"router {owner} shares" if owner not in nodes else f"node {owner} has"
            yield Problem(("routers", router.name, "address"), f"{other} {address} already", hint)
        if number in ids:
            what = f"routers {ids[number]} and {router.name} both have virtual_router_id {number}"
            hint = "write another one under `keepalived` of one of them"
            yield Problem(("routers", router.name), what, hint)
        ids[number] = addresses[address] = router.name
