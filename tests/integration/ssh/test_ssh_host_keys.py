"""A node is believed only with the key that is known, and each refusal says what to do."""

from __future__ import annotations

import subprocess

import pytest

from distctl.errors import HostKeyChanged, HostKeyUnknown

pytestmark = pytest.mark.hosts


def fingerprint(host) -> str:
    path = host._root / "etc/distctl-host/ssh_host_ed25519_key.pub"
    return subprocess.run(
        ["ssh-keygen", "-lf", path], capture_output=True, text=True, check=True
    ).stdout.split()[1]


def run(connections, node):
    return connections.connector(node).run("echo hi", tried="x", deadline=10).stdout


def test_an_unknown_key_is_refused_with_its_fingerprint_and_trust_makes_it_known(operator, hosts):
    host = hosts.add("gpu01", trusted=False)
    node, connections = host.node(), operator(hosts)
    with pytest.raises(HostKeyUnknown) as caught:
        run(connections, node)
    assert f"unknown host key: ssh-ed25519 {fingerprint(host)}" in str(caught.value)
    assert "distctl trust gpu01" in caught.value.hint
    assert caught.value.exit_code == 4
    assert not hosts.known_hosts.exists(), "nothing was accepted"
    shown = connections.fetch_host_key(node)
    assert (shown.kind, shown.fingerprint, shown.line) == (
        "ssh-ed25519",
        fingerprint(host),
        host.known_hosts_line,
    )
    connections.trust(shown)
    assert hosts.known_hosts.read_text() == host.known_hosts_line + "\n"
    assert connections.fetch_host_key(node) is None
    assert run(connections, node) == "hi\n"


def test_accept_new_saves_an_unknown_key_and_refuses_a_changed_one(operator, hosts):
    host = hosts.add("gpu01", trusted=False)
    node = host.node(host_keys="accept-new")
    assert run(operator(hosts), node) == "hi\n"
    assert hosts.known_hosts.read_text() == host.known_hosts_line + "\n"
    host.new_host_key()
    with pytest.raises(HostKeyChanged):
        run(operator(hosts), node)


def test_a_changed_key_is_refused_with_both_fingerprints_and_the_way_back(operator, hosts):
    host = hosts.add("gpu01")
    old = fingerprint(host)
    host.new_host_key()
    with pytest.raises(HostKeyChanged) as caught:
        run(operator(hosts), host.node())
    assert old in str(caught.value) and fingerprint(host) in str(caught.value)
    forget = f"ssh-keygen -R {host.address} -f {hosts.known_hosts}"
    assert forget in caught.value.hint and "distctl trust gpu01" in caught.value.hint
    subprocess.run(forget.split(), check=True, capture_output=True)
    connections = operator(hosts)
    connections.trust(connections.fetch_host_key(host.node()))
    assert run(connections, host.node()) == "hi\n"


def test_the_server_is_asked_for_the_type_of_key_that_is_known(operator, hosts):
    host = hosts.add("gpu01", trusted=False, sshd="HostKey /etc/distctl-host/ssh_host_rsa_key\n")
    public = (host._root / "etc/distctl-host/ssh_host_rsa_key.pub").read_text().split()
    hosts.known_hosts.write_text(f"{host.address} {public[0]} {public[1]}\n")
    assert run(operator(hosts), host.node()) == "hi\n"


def test_hashed_names_ports_and_lines_of_authorities_are_understood(operator, hosts):
    host = hosts.add("gpu01", sshd="Port 22\nPort 2222\n")
    kind, key = host.known_hosts_line.split()[1:]
    hosts.known_hosts.write_text(f"[{host.address}]:2222 {kind} {key}\n")
    subprocess.run(["ssh-keygen", "-H", "-f", hosts.known_hosts], check=True, capture_output=True)
    hashed = hosts.known_hosts.read_text()
    assert host.address not in hashed
    hosts.known_hosts.write_text(f"@cert-authority * {kind} {key}\nnonsense\n|1|x|y {kind} {key}\n{hashed}")
    assert run(operator(hosts), host.node(port=2222)) == "hi\n"
    with pytest.raises(HostKeyUnknown):
        run(operator(hosts), host.node())


def test_a_revoked_key_is_refused(operator, hosts):
    host = hosts.add("gpu01")
    with hosts.known_hosts.open("a") as file:
        file.write(f"@revoked {host.known_hosts_line}\n")
    with pytest.raises(HostKeyChanged, match="revoked"):
        run(operator(hosts), host.node())
