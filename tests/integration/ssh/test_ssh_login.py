"""Logging in as OpenSSH users do, and what is said when that fails."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from dataclasses import replace

import pytest
from relay import Relay

from distctl.cluster.spec import SecretRef, Timeouts
from distctl.errors import InputError, Unreachable

pytestmark = pytest.mark.hosts


@pytest.fixture(scope="module")
def gpu(shared):
    host = shared.add("gpu01")
    host.add_user("ops", password="login-pw")
    return host


@pytest.fixture
def config(shared):
    yield shared.write_config
    shared.config.unlink(missing_ok=True)


def whoami(connections, node):
    return connections.connector(node).run("id -un", tried="x", deadline=10).stdout.strip()


def by_config(host, **ssh):
    """The node with nothing but a name: all the rest is ssh_config's."""
    settings = {"user": None, "key": None, "known_hosts": None, "config": host.hosts.config, **ssh}
    return replace(host.node(**settings), address="gpu")


def test_host_user_port_key_and_known_hosts_come_from_ssh_config(operator, shared, gpu, config):
    moved = shared.home / "other_known_hosts"
    shutil.copy(shared.known_hosts, moved)
    (shared.home / ".ssh/conf.d").mkdir(exist_ok=True)
    (shared.home / ".ssh/conf.d/a.conf").write_text(f"Host gpu\n  User ops\n  IdentityFile {shared.key}\n")
    config(
        "Include conf.d/*.conf\n"
        f"Host gpu\n  User nobody\n  HostName {gpu.address}\n  Port=22\n"
        f'  UserKnownHostsFile "{shared.home}/none" {moved}\n'
        "Match user ops\n  Port 9\n"
    )
    warnings: list[str] = []
    assert whoami(operator(shared, warnings), by_config(gpu)) == "ops"
    assert warnings == [f"{shared.config}:7: Match is not supported and was ignored with the lines under it"]


def test_the_inventory_wins_over_ssh_config(operator, shared, gpu, config):
    config(f"Host gpu\n  HostName {gpu.address}\n  User ops\n  IdentityFile ~/.ssh/id_ed25519\n")
    assert whoami(operator(shared), by_config(gpu, user="root")) == "root"


def test_the_default_key_of_the_account_is_tried(operator, shared, gpu, config):
    config(f"Host gpu\n  HostName {gpu.address}\n")
    assert whoami(operator(shared), by_config(gpu)) == "root"


def test_a_proxy_command_carries_the_connection(operator, shared, gpu, config):
    config(f"Host gpu\n  HostName {gpu.address}\n  ProxyCommand nc %h %p\n")
    if not shutil.which("nc"):
        program = "import socket,sys,threading,os;s=socket.create_connection((sys.argv[1],22));"
        program += "threading.Thread(target=lambda:[os.write(1,b) for b in iter(lambda:s.recv(9999),b'')],"
        program += "daemon=True).start();[s.sendall(b) for b in iter(lambda:os.read(0,9999),b'')]"
        config(f'Host gpu\n  HostName {gpu.address}\n  ProxyCommand python3 -c "{program}" %h\n')
    assert whoami(operator(shared), by_config(gpu)) == "root"


def test_a_key_with_a_passphrase_works_through_the_agent_and_is_named_without(operator, hosts, monkeypatch):
    host = hosts.add("gpu01")
    locked = hosts.home / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "pass", "-f", locked], check=True)
    host.write("/etc/distctl-host/authorized_keys", locked.with_suffix(".pub").read_text())
    node = host.node(key=locked)
    with pytest.raises(Unreachable) as caught:
        whoami(operator(hosts), node)
    assert f"{locked}: needs its passphrase, so it has to be in the agent" in str(caught.value)
    agent = hosts.home / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", agent], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 5
        while not agent.exists() and time.monotonic() < until:
            time.sleep(0.01)
        ask = hosts.home / "askpass"
        ask.write_text("#!/bin/sh\necho pass\n")
        ask.chmod(0o700)
        env = {"SSH_AUTH_SOCK": str(agent), "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
        subprocess.run(["ssh-add", "-q", locked], env={**env, "PATH": "/usr/bin:/bin"}, check=True)
        hosts.write_config(f"Host *\n  IdentityAgent {agent}\n  IdentitiesOnly yes\n")
        assert whoami(operator(hosts), host.node(key=locked, config=hosts.config)) == "root"
        hosts.write_config("Host *\n")
        monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
        assert whoami(operator(hosts), host.node(key=None, config=hosts.config)) == "root"
    finally:
        process.terminate()
        process.wait()


def test_a_password_comes_from_a_secret(operator, shared, gpu):
    other = shared.home / "unused"
    node = gpu.node(user="ops", key=other, password=SecretRef("env", ("login-pw",)))
    assert whoami(operator(shared), node) == "ops"


def test_a_wrong_key_and_password_are_named_and_tried_once(operator, shared, gpu):
    wrong = shared.home / "wrong"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", wrong], check=True)
    node = gpu.node(user="ops", key=wrong, password=SecretRef("env", ("no",)))
    with pytest.raises(Unreachable) as caught:
        whoami(operator(shared), node)
    where = f"logging in as ops@{gpu.address}:22"
    assert str(caught.value) == f"gpu01: {where}: permission denied (tried {wrong}, password)"
    assert "ssh-add" in caught.value.hint


def test_a_node_where_nothing_listens_is_told_with_the_command_to_try(operator, shared, gpu):
    with pytest.raises(Unreachable) as caught:
        whoami(operator(shared), gpu.node(port=9))
    where = f"connecting to root@{gpu.address}:9"
    assert str(caught.value) == f"gpu01: {where}: Connection refused"
    assert caught.value.hint == f"try: ssh -p 9 root@{gpu.address}"


def test_a_silent_node_takes_no_longer_than_its_timeout(operator, shared, gpu):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        node = replace(gpu.node(port=port), address="127.0.0.1", timeouts=Timeouts(connect=1.0))
        began = time.monotonic()
        with pytest.raises(Unreachable):
            whoami(operator(shared), node)
        assert time.monotonic() - began < 3


def test_a_connection_that_is_dropped_at_the_door_is_tried_again(operator, shared, gpu):
    with Relay(gpu.address, 22, drop=2) as relay:
        ssh = {"port": relay.port, "known_hosts": relay.known_hosts(gpu)}
        assert whoami(operator(shared), replace(gpu.node(**ssh), address="127.0.0.1")) == "root"
        assert relay.accepted == 3


def test_a_name_that_does_not_resolve_is_told(operator, shared, gpu):
    with pytest.raises(Unreachable, match=r"connecting to root@no-such-node\.invalid:22"):
        whoami(operator(shared), replace(gpu.node(), address="no-such-node.invalid"))


def test_jumps_in_a_circle_are_refused_before_anything_is_contacted(operator, shared, gpu, config):
    config("Host a\n  ProxyJump b\nHost b\n  ProxyJump a\nHost gpu\n  ProxyJump a\n")
    with pytest.raises(InputError, match="circle: gpu -> a -> b -> a"):
        operator(shared).connector(by_config(gpu))


def test_paramiko_prints_nothing(operator, shared, gpu, capfd):
    with pytest.raises(Unreachable):
        whoami(operator(shared), gpu.node(port=9))
    with Relay(gpu.address, 22, drop=9) as relay, pytest.raises(Unreachable):
        whoami(operator(shared), replace(gpu.node(port=relay.port), address="127.0.0.1"))
    assert capfd.readouterr() == ("", "")
