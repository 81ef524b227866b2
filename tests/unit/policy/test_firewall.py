"""The firewall lines that doctor offers: routers in, everybody else out."""

import pytest

from distctl.cluster.spec import Connection, Node, Server, ServerId
from distctl.policy.firewall import allow_only, allow_peers


def node(address: str, servers: int = 1) -> Node:
    made = tuple(
        Server(ServerId("n", str(n)), address, 9000 + 10 * n, 9001 + 10 * n, 9002 + 10 * n)
        for n in range(servers)
    )
    return Node("n", Connection.SSH, address, address, servers=made)


def test_routers_of_both_families_are_let_in_and_the_rest_is_dropped() -> None:
    line = allow_only(node("10.0.1.11", 2), {"10.0.1.2", "fd00::1", "10.0.1.1", "127.0.0.1"})
    assert line == (
        "nft 'add table inet distctl; "
        "add chain inet distctl servers { type filter hook input priority 0; }; "
        "flush chain inet distctl servers; "
        "add rule inet distctl servers iif lo accept; "
        "add rule inet distctl servers ip saddr { 10.0.1.1, 10.0.1.2 } accept; "
        "add rule inet distctl servers ip6 saddr { fd00::1 } accept; "
        "add rule inet distctl servers tcp dport { 9000, 9001, 9002, 9010, 9011, 9012 } drop'"
    )


@pytest.mark.parametrize("quiet", [node("127.0.0.1"), node("::1"), node("localhost"), node("10.0.1.11", 0)])
def test_node_that_nobody_else_reaches_needs_none(quiet: Node) -> None:
    assert allow_only(quiet, {"10.0.1.1"}) == ""


def test_the_places_of_a_router_are_let_in_to_each_other() -> None:
    line = allow_peers("main", {"10.0.0.2", "10.0.0.1"}, 8003)
    assert "add chain inet distctl peers-main {" in line
    assert "add rule inet distctl peers-main ip saddr { 10.0.0.1, 10.0.0.2 } accept" in line
    assert line.endswith("add rule inet distctl peers-main tcp dport { 8003 } drop'")
