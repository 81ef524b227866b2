"""What an operator reads when something is in the way, and that the rest of the cluster goes on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from command import Operator, Operators, nodes_of
from hosts import Host, Hosts

pytestmark = pytest.mark.hosts

ONE = {"simple": {"replicas": 1}}


@pytest.fixture(scope="module")
def shared(machines: Hosts) -> Hosts:
    """Two hosts that no test of this module puts a server on for good."""
    for name in ("gpu01", "gpu02"):
        machines.add(name)
    return machines


@pytest.fixture
def ann(shared: Hosts, operators: Operators) -> Iterator[Operator]:
    """An operator of both, whose cluster is gone afterwards."""
    operator = operators(shared)
    operator.write(nodes_of(shared_two(shared)), models=ONE)
    yield operator


def shared_two(hosts: Hosts) -> list[Host]:
    return [hosts["gpu01"], hosts["gpu02"]]


def plan_of(operator: Operator, *, status: int) -> str:
    return operator.run("plan", status=status).said


def test_an_unreachable_node_is_named_and_the_others_go_on(ann: Operator) -> None:
    """Exit 4; nothing was applied there and everything elsewhere."""
    ann.hosts["gpu01"].cut()
    try:
        done = ann.run("up", "-y", status=4)
        seen = ann.run("doctor", status=4)
    finally:
        ann.hosts["gpu01"].heal()
    assert "gpu01: connecting to root@10.77." in done.stderr
    assert "next: distctl doctor --limit gpu01" in done.stderr
    assert "next: try: ssh -p 22 root@" in seen.stdout
    assert "start server gpu02/0 with simple: done" in done.stderr
    ann.run("down", "-y")


def test_a_wrong_key_is_told_with_what_was_tried(ann: Operator) -> None:
    """Nothing but a key that the node does not know."""
    other = ann.folder / "other"
    ann.hosts["gpu01"].run("ssh-keygen -q -t ed25519 -N '' -f /srv/other")
    other.write_bytes(ann.hosts["gpu01"].read("/srv/other"))
    other.chmod(0o600)
    ann.write(nodes_of([ann.hosts["gpu01"]], ssh={"key": str(other)}), models=ONE)
    ann.hosts.key.rename(ann.hosts.key.with_name("away"))
    try:
        said = ann.run("doctor", status=4).said
    finally:
        ann.hosts.key.with_name("away").rename(ann.hosts.key)
    assert "permission denied" in said
    assert str(other) in said
    assert "next: name the key in `ssh.key` or ~/.ssh/config" in said


def test_an_unknown_host_key_is_shown_trusted_and_known(ann: Operator) -> None:
    """`up` does nothing there, tells the fingerprint and the command; after that command it is reached."""
    new = ann.hosts.add("new", trusted=False)
    ann.write(nodes_of([new]), models=ONE)
    refused = plan_of(ann, status=4)
    fingerprint = new.run("ssh-keygen -lf /etc/distctl-host/ssh_host_ed25519_key.pub").stdout.split()[1]
    assert fingerprint in refused or fingerprint in ann.run("doctor", status=4).said
    assert "distctl trust new" in ann.run("doctor", status=4).said
    asked = ann.run("trust", "new", status=1)
    assert fingerprint in asked.said
    assert "add --yes" in asked.said
    trusted = ann.run("trust", "new", "-y").said
    assert "every host key on the way is known" in trusted
    assert "start server new/0" in plan_of(ann, status=0)


def test_a_changed_host_key_is_refused_with_both(ann: Operator) -> None:
    """As after a new installation, or with somebody in the middle."""
    host = ann.hosts.add("moved")
    before = host.run("ssh-keygen -lf /etc/distctl-host/ssh_host_ed25519_key.pub").stdout.split()[1]
    host.new_host_key()
    after = host.run("ssh-keygen -lf /etc/distctl-host/ssh_host_ed25519_key.pub").stdout.split()[1]
    ann.write(nodes_of([host]), models=ONE)
    said = ann.run("doctor", status=4).said
    assert before in said
    assert after in said
    assert "ssh-keygen -R" in said


def test_a_taken_port_is_named_with_its_holder(ann: Operator) -> None:
    """Before anything was changed, by `up` and by `doctor`."""
    host = ann.hosts["gpu01"]
    host.run(
        "cat > /srv/hold.py <<'E'\nimport socket, time\n"
        "s = socket.create_server(('0.0.0.0', 9000))\ntime.sleep(60)\nE\n"
        "setsid python3 /srv/hold.py > /dev/null 2>&1 < /dev/null & sleep 0.5"
    )
    try:
        ann.write(nodes_of([host]), models=ONE)
        said = ann.run("up", "-y", status=1).said
        seen = ann.run("doctor", status=1).said
    finally:
        host.run("pkill -f '[h]old.py'")
    assert "9000 (by python3:" in said
    assert "nothing was changed" in said
    assert "port 9000 of server 0 is taken by python3 (pid " in seen
    assert "give gpu01 other `servers.ports`" in seen
    assert host.run("ls /root/.local 2>/dev/null", check=False).stdout in ("", "share\n")


def test_a_full_disk_is_named_and_the_others_go_on(ann: Operator) -> None:
    """Exit 3; the message names the node, what was tried, what is free and what to do."""
    small = ann.hosts.add("small", size="120m")
    ann.write(nodes_of([small, ann.hosts["gpu02"]]), models={"simple": {"replicas": 2}})
    seen = ann.run("doctor", status=1).stdout
    done = ann.run("up", "-y", status=3)
    assert "0.1 GB free on /" in seen
    assert "small: installing runtime" in done.stderr
    assert "MB free and" in done.stderr
    assert "set `directory` of small" in done.stderr
    assert "start server gpu02/0 with simple: done" in done.stderr
    ann.run("down", "-y")


def test_a_clock_that_is_off_is_a_warning(ann: Operator) -> None:
    """The offset is measured on real nodes; a real skew cannot be had in a container of one kernel."""
    said = ann.run("doctor", "-o", "json", status=0).document
    assert not [f for f in said["findings"] if "clock" in f["what"]], "one kernel, one clock"


def test_a_node_without_libpython_is_told_what_to_install(ann: Operator) -> None:
    """doctor names the package; `up` leaves the node alone."""
    bare = ann.hosts.add("bare")
    bare.run("rm -f /usr/lib/x86_64-linux-gnu/libpython3* /usr/lib/libpython3*; ldconfig")
    bare.run("rm -rf /usr/local/lib/libpython* /root/.pyenv /opt/python*")
    ann.write(nodes_of([bare, ann.hosts["gpu02"]]), models=ONE)
    seen = ann.run("doctor", status=1).stdout
    assert "has no libpython, which Triton's python backend embeds" in seen
    assert "next: sudo apt-get install -y python3" in seen
    done = ann.run("up", "-y", status=None)
    assert "bare" in done.stderr
    assert "libpython" in done.stderr
    assert "distctl doctor" in done.stderr
    assert "start server gpu02/0 with simple: done" in done.stderr
    assert done.status == 3
    ann.run("down", "-y")
