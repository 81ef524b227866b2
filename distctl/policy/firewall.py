"""Which machines need to reach a node's servers, as lines for its firewall. Nothing here is applied by us."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from distctl.cluster.spec import Node


def allow_only(node: Node, routers: Iterable[str]) -> str:
    """A command of nft that lets the routers alone reach the node's servers; "" where none is needed.

    `routers` are the addresses of their places.

    The machine itself is let through, and with it whoever comes by ssh: that is how distctl reaches servers
    where no direct way is open. Addresses that are names are left to the operator, as nft resolves them once.
    """
    ports = sorted({p for s in node.servers for p in (s.http_port, s.grpc_port, s.metrics_port)})
    if not ports or _loopback(node.serve_address):
        return ""
    return _only("servers", routers, ports)


def allow_peers(router: str, places: Iterable[str], port: int) -> str:
    """A command of nft that lets the other places of a router alone reach what they tell each other.

    That port speaks in clear text and asks nobody who he is. `places` are their addresses.
    """
    return _only(f"peers-{router}", places, [port])


def _only(chain: str, allowed: Iterable[str], ports: Iterable[int]) -> str:
    rules = [
        "add table inet distctl",
        f"add chain inet distctl {chain} {{ type filter hook input priority 0; }}",
    ]
    rules.append(f"flush chain inet distctl {chain}")
    rules.append(f"add rule inet distctl {chain} iif lo accept")
    told = sorted({address for address in allowed if not _loopback(address)})
    for family, addresses in (("ip", _of(told, 4)), ("ip6", _of(told, 6))):
        if addresses:
            rules.append(f"add rule inet distctl {chain} {family} saddr {{ {', '.join(addresses)} }} accept")
    rules.append(f"add rule inet distctl {chain} tcp dport {{ {', '.join(map(str, ports))} }} drop")
    return f"nft '{'; '.join(rules)}'"


def _version(address: str) -> int:
    try:
        return ipaddress.ip_address(address).version
    except ValueError:
        return 4  # a name: nft resolves it, to IPv4 in most networks


def _of(addresses: Iterable[str], version: int) -> list[str]:
    return [address for address in addresses if _version(address) == version]


def _loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
