"""The node's own addresses, and which ports are taken by whom."""

from __future__ import annotations

import re
from collections.abc import Mapping

from distctl.facts.probe import Facts, Probe

# ss names the holder of a socket to root and to its owner; without ss the kernel's table has ports alone.
_PORTS = (
    """if command -v ss >/dev/null; then ss -Hltnp; else echo proc; cat /proc/net/tcp /proc/net/tcp6; fi"""
)

# The first is iproute2; the second prints the addresses alone, without loopback.
_ADDRESSES = "ip -o addr show || hostname -I"

_SS = re.compile(r"^LISTEN\s+\d+\s+\d+\s+(\S+):(\d+)\s+\S+(.*)$", re.MULTILINE)
_HOLDER = re.compile(r'\(\("([^"]+)",pid=(\d+)')
_PROC = re.compile(r"^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:0000 0A ", re.MULTILINE)
# Addresses of IPv6 that end soon (RFC 8981) are nobody's to be known by.
_NETWORK = re.compile(
    r"^\d+: (\S+)\s+inet6? ((?!127\.)\S+/\d+)(?: \S+ \S+)* scope (?:global|site)(?! temporary)", re.MULTILINE
)
_ADDRESS = re.compile(r"\binet6? (\S+?)/")


def parse_ports(text: str) -> Facts:
    """`PORT=NAME:PID` for each port that is listened on, sorted; NAME `?` when it may not be seen."""
    holders: dict[int, str] = {}
    if text.startswith("proc"):
        holders = {int(port, 16): "?" for port in _PROC.findall(text)}
    for _, port, rest in _SS.findall(text):
        holder = _HOLDER.search(rest)
        name = f"{holder.group(1).replace(' ', '_')}:{holder.group(2)}" if holder else "?"
        if holders.get(int(port), "?") == "?":
            holders[int(port)] = name
    return {"ports": " ".join(f"{port}={holders[port]}" for port in sorted(holders))}


def parse_addresses(text: str) -> Facts:
    """Every address of the node, in the order it gives them, without link-local ones; its networks."""
    found = _ADDRESS.findall(text) or (re.findall(r"\S+", text) if "inet" not in text else [])
    kept = dict.fromkeys(address for address in found if not address.startswith("fe80:"))
    networks = " ".join("=".join(pair) for pair in _NETWORK.findall(text))
    return {"addresses": " ".join(kept)} | ({"networks": networks} if networks else {})


def holder_of(facts: Mapping[str, str], port: int) -> str | None:
    """Who listens on a port, such as `haproxy:4711`, `?` if that may not be seen, None if nobody does."""
    taken = dict(word.partition("=")[::2] for word in facts.get("ports", "").split())
    return taken.get(str(port))


PROBES = (Probe("ports", _PORTS, parse_ports), Probe("addresses", _ADDRESSES, parse_addresses))
