"""A planned move of a shared address: what was open to the place that gives it up stays with that place.

The address moves, TCP connections do not. So the place that gives it up keeps the address on its loopback
interface, where it tells nobody in the network of it, and goes on with its connections; the other places send
on to it what belongs to no connection of theirs. Without nftables there the address moves all the same, and
what was open ends.
"""

from __future__ import annotations

import hashlib

from distctl.cluster.shared import AddressView
from distctl.commands.files import quote
from distctl.commands.units import Unit

KEPT = "10m"  # after the last packet that was sent on: as long as a router lets a stream be silent by default
OPENING = "1m"  # a handshake is over by then: Linux gives up after 63 s (tcp_synack_retries), clients before
LOAN = "loan"  # the file that says how the interface answered before
UNRELAYED = "unrelayed"


def lend(unit: Unit, view: AddressView) -> str:
    """A script that keeps the address for open connections alone: nobody is answered that it is here."""
    address = view.shared.address
    if view.shared.sixth:  # Linux answers for an address of IPv6 on its own interface alone
        return f"ip addr add {address}/128 dev lo nodad 2>/dev/null\n"
    arp = f"/proc/sys/net/ipv4/conf/{view.interface}"
    return f"""cd {quote(unit.folder)} || exit 1
[ -e {LOAN} ] || cat {arp}/arp_ignore {arp}/arp_announce > {LOAN}
if echo 1 > {arp}/arp_ignore && echo 2 > {arp}/arp_announce; then
    ip addr add {address}/32 dev lo 2>/dev/null
fi
"""


def end_loan(unit: Unit, address: str) -> str:
    """A script that makes the place be as it was before it gave the address up."""
    if ":" in address:
        return f"ip addr del {address}/128 dev lo 2>/dev/null\n"
    return f"""if [ -e {quote(unit.folder)}/{LOAN} ]; then
    ip addr del {address}/32 dev lo 2>/dev/null
    interface=$(sed -n 's/^ *interface //p' {quote(unit.folder)}/keepalived.conf)
    {{ read -r ignore; read -r announce; }} < {quote(unit.folder)}/{LOAN}
    echo "$ignore" > "/proc/sys/net/ipv4/conf/$interface/arp_ignore"
    echo "$announce" > "/proc/sys/net/ipv4/conf/$interface/arp_announce"
    rm -f {quote(unit.folder)}/{LOAN}
fi
"""


def end_idle_loan(unit: Unit, address: str) -> str:
    """The same, unless a connection is still open there."""
    source = quote(f"[{address}]") if ":" in address else address
    return f"""if [ -z "$(ss -Htn state established src {source} 2>&1)" ]; then
{end_loan(unit, address)}fi
"""


def relay(unit: Unit, view: AddressView, giver: str) -> str:
    """A script that has this place send on to `giver`, an address, what belongs to no connection of its own.

    Its own is what has an open socket here, or began here of late. Sockets alone do not say it: a handshake
    under way and what a closed connection leaves behind for a minute (TIME_WAIT) look alike to nftables, and
    that one's client may have used its port again, for a connection that is to be sent on.
    It ends by itself a while after the last packet. The script prints `unrelayed` where that cannot be had.
    """
    ports = ", ".join(map(str, view.client_ports))
    table = _table(unit)
    ip, kind = ("ip6", "ipv6_addr") if view.shared.sixth else ("ip", "ipv4_addr")
    rules = f"""table {ip} {table}
delete table {ip} {table}
table {ip} {table} {{
    set given {{
        type {kind}; flags dynamic,timeout; timeout {KEPT}; elements = {{ {view.shared.address} }}
    }}
    set opened {{
        type {kind} . inet_service; flags dynamic,timeout; timeout {OPENING}; size 1000000
    }}
    chain arriving {{
        type filter hook prerouting priority -300; policy accept;
        {ip} daddr @given tcp dport {{ {ports} }} jump given_up
    }}
    chain given_up {{
        tcp flags & syn != 0 update @opened {{ {ip} saddr . tcp sport }}
        tcp flags & syn != 0 accept
        socket wildcard 0 accept
        {ip} saddr . tcp sport @opened accept
        update @given {{ {ip} daddr }} dup to {giver} device "{view.interface}" drop
    }}
}}
"""
    return f"PATH=$PATH:/usr/sbin:/sbin\nprintf %s {quote(rules)} | nft -f - >&2 || echo {UNRELAYED}\n"


def unrelay(unit: Unit) -> str:
    """A script that ends that."""
    table = _table(unit)
    return f"for ip in ip ip6; do nft delete table $ip {table} 2>/dev/null; done; true\n"


def _table(unit: Unit) -> str:
    return f"distctl_{hashlib.sha256(unit.folder.encode()).hexdigest()[:12]}"
