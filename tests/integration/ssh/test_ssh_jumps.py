"""Nodes behind jump hosts, and streams through connections."""

from __future__ import annotations

import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from distctl.cluster.spec import Endpoint
from distctl.errors import HostKeyUnknown, NodeError, NothingListens, Unreachable
from distctl.ports import Upload

pytestmark = pytest.mark.hosts

NODES = 16
SERVE = "nohup python3 -m http.server --bind 127.0.0.1 8000"
ECHO = """nohup python3 -c '
import socket
server = socket.socket(socket.AF_UNIX)
server.bind("/srv/echo.sock")
server.listen()
while True:
    stream, _ = server.accept()
    stream.sendall(b"echo " + stream.recv(99))
    stream.close()
'"""


@pytest.fixture(scope="module")
def nets(shared):
    """Two jump hosts in a row, and nodes that only the second reaches."""
    shared.add("outer", networks=(0, 1))
    shared.add("middle", networks=(1, 2))
    shared.add("inner", networks=(2,))
    lone = shared.add("lone")
    lone.run("mkdir /srv/www && echo hello > /srv/www/x && chown nobody /srv")
    lone.run(f"cd /srv/www && ({SERVE} >/dev/null 2>&1 &)")
    lone.run(f"({ECHO} >/dev/null 2>&1 &)")
    lone.run("for i in $(seq 100); do [ -S /srv/echo.sock ] && break; sleep 0.05; done")
    return shared


def through(hosts, *names):
    return tuple(f"root@{hosts[name].address}" for name in names)


def inner(hosts, **ssh):
    return hosts["inner"].node(jump=through(hosts, "outer", "middle"), **ssh)


def test_two_hops_of_the_inventory_lead_to_a_node_that_nothing_else_reaches(operator, nets):
    connector = operator(nets).connector(inner(nets))
    assert connector.run("hostname", tried="x", deadline=10).stdout == "inner\n"
    connector.put([Upload(b"x" * 3_000_000, "/srv/file")], deadline=30)
    assert len(nets["inner"].read("/srv/file")) == 3_000_000


def test_proxyjump_of_ssh_config_nests_as_in_openssh(operator, nets):
    nets.write_config(
        f"Host far\n  HostName {nets['inner'].address}\n  ProxyJump mid\n"
        f"Host mid\n  HostName {nets['middle'].address}\n  ProxyJump out\n"
        f"Host out\n  HostName {nets['outer'].address}\n  ProxyJump none\n"
        f"Host *\n  User root\n  IdentityFile {nets.key}\n  ProxyJump out\n"
    )
    ssh = {"user": None, "key": None, "known_hosts": None, "config": nets.config}
    node = replace(nets["inner"].node(**ssh), address="far")
    connections = operator(nets)
    assert [hop.name for hop in connections.route(node).hops] == ["out", "mid", "far"]
    assert connections.connector(node).run("hostname", tried="x", deadline=10).stdout == "inner\n"


def test_an_unreachable_jump_host_is_named_with_the_way(operator, nets):
    node = nets["inner"].node(jump=(f"root@{nets['outer'].address}:9", f"root@{nets['middle'].address}"))
    with pytest.raises(Unreachable) as caught:
        operator(nets).connector(node).run("true", tried="x", deadline=10)
    assert str(caught.value) == f"inner: connecting to root@{nets['outer'].address}:9: Connection refused"


def test_a_node_that_its_jump_host_cannot_reach_names_the_whole_way(operator, nets):
    node = nets["inner"].node(jump=through(nets, "outer", "middle"), port=9)
    with pytest.raises(Unreachable) as caught:
        operator(nets).connector(node).run("true", tried="x", deadline=10)
    outer, middle, last = (nets[name].address for name in ("outer", "middle", "inner"))
    assert f"root@{last}:9 via root@{middle}:22 via root@{outer}:22" in str(caught.value)
    assert f"ssh -J root@{outer}:22,root@{middle}:22 -p 9 root@{last}" in caught.value.hint


def test_trust_goes_along_the_way_hop_by_hop(operator, nets):
    fresh = nets.home / "fresh_known_hosts"
    node, connections = inner(nets, known_hosts=fresh), operator(nets)
    with pytest.raises(HostKeyUnknown, match=nets["outer"].address):
        connections.connector(node).run("true", tried="x", deadline=10)
    asked = []
    while (shown := connections.fetch_host_key(node)) is not None:
        asked.append(shown.line)
        connections.trust(shown)
    assert asked == [nets[name].known_hosts_line for name in ("outer", "middle", "inner")]
    assert connections.connector(node).run("hostname", tried="x", deadline=10).stdout == "inner\n"


def test_sixteen_nodes_at_once_share_one_jump_connection_and_none_is_turned_away(operator, hosts):
    jump = hosts.add("jump", networks=(0, 1))
    nodes = [
        hosts.add(f"n{number}", networks=(1,)).node(jump=through(hosts, "jump")) for number in range(NODES)
    ]
    connections = operator(hosts)

    def hostname(node):
        return connections.connector(node).run("hostname", tried="x", deadline=30).stdout.strip()

    with ThreadPoolExecutor(NODES) as pool:
        assert list(pool.map(hostname, nodes)) == [node.name for node in nodes]
    sessions = jump.run("pgrep -fc '^sshd: root( |$|@)'").stdout.strip()
    assert sessions == "1"


def test_nodes_behind_one_dead_jump_host_wait_for_it_once(operator, nets):
    from time import monotonic

    from distctl.cluster.spec import Timeouts

    jump = (f"root@{nets['outer'].address.rsplit('.', 1)[0]}.250",)
    nodes = [
        replace(nets["inner"].node(jump=jump), name=f"n{number}", timeouts=Timeouts(connect=1.0))
        for number in range(8)
    ]
    connections, errors = operator(nets), []

    def attempt(node):
        with pytest.raises(Unreachable) as caught:
            connections.connector(node).run("true", tried="x", deadline=10)
        errors.append(caught.value)

    began = monotonic()
    threads = [threading.Thread(target=attempt, args=(node,)) for node in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert monotonic() - began < 5
    assert {error.node for error in errors} == {node.name for node in nodes}


def test_a_unix_socket_of_the_node_is_dialled(operator, nets):
    with operator(nets).connector(nets["lone"].node()).dial("/srv/echo.sock", timeout=5) as stream:
        stream.sendall(b"me")
        assert stream.recv(99) == b"echo me"


def test_a_tcp_endpoint_is_dialled_as_the_node_sees_it(operator, nets):
    with operator(nets).connector(nets["lone"].node()).dial(Endpoint("127.0.0.1", 8000), timeout=5) as stream:
        stream.sendall(b"GET /x HTTP/1.0\r\n\r\n")
        assert stream.recv(99).startswith(b"HTTP/1.0 200")


@pytest.mark.parametrize("target", [Endpoint("127.0.0.1", 9), "/srv/none.sock"])
def test_where_nothing_listens_the_node_is_not_called_unreachable(operator, nets, target):
    connector = operator(nets).connector(nets["lone"].node())
    with pytest.raises(NothingListens, match=r"lone: connecting to .*: nothing listens there"):
        connector.dial(target, timeout=5)


def test_a_socket_that_the_login_user_may_not_use_is_not_told_as_an_absent_one(operator, nets):
    nets["lone"].add_user("ops")
    connector = operator(nets).connector(nets["lone"].node(user="ops"))
    with pytest.raises(NodeError, match="may not use that socket") as caught:
        connector.dial("/srv/echo.sock", timeout=5)
    assert not isinstance(caught.value, NothingListens)


def test_a_forbidden_forward_is_said_with_the_settings_to_change(operator, hosts):
    host = hosts.add("strict", sshd="AllowTcpForwarding no\nAllowStreamLocalForwarding no\n")
    with pytest.raises(NodeError, match="its sshd forbids forwarding") as caught:
        operator(hosts).connector(host.node()).dial(Endpoint("127.0.0.1", 22), timeout=5)
    assert "AllowStreamLocalForwarding" in caught.value.hint


def test_a_forward_gives_http_of_a_node_until_it_is_closed(operator, nets):
    connector = operator(nets).connector(nets["lone"].node())
    local = connector.forward(Endpoint("127.0.0.1", 8000))
    assert local.host == "127.0.0.1" and local == connector.forward(Endpoint("127.0.0.1", 8000))
    for _ in range(3):
        with urllib.request.urlopen(f"{local.url}/x", timeout=5) as answer:
            assert answer.read() == b"hello\n"
    connector.close()
    with pytest.raises(OSError):
        urllib.request.urlopen(f"{local.url}/x", timeout=5)
