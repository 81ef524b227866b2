"""The places of one router that share what they know: which server has which sequence."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from distctl.cluster.router import Peer
from distctl.cluster.spec import Endpoint, RouterId, Spec


def peers_of(spec: Spec, router: RouterId, host: Callable[[str], str]) -> tuple[Peer, ...]:
    """Every place of a router that the others can reach, this one among them; none where it is alone.

    `host` says the IP address of a place. Loopback leads no other machine anywhere, and neither does a name
    that has no address.
    """
    if router not in spec.router_ids:
        return ()
    wanted = spec.router(router.router)
    hosts = {place: host(place) for place in wanted.on}
    found = tuple(Peer(p, Endpoint(h, wanted.peers_port)) for p, h in hosts.items() if _reachable(h))
    return found if len(found) > 1 and router.place in {peer.place for peer in found} else ()


def _reachable(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
