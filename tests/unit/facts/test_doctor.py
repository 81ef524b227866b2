"""Each thing that `up` would stumble on has a verdict that names it and what mends it."""

from dataclasses import replace

import pytest

from distctl.cluster.spec import Connection, Node, Runtime, RuntimeKind, Server, ServerId
from distctl.facts.doctor import verdicts
from distctl.facts.verdict import Level

SERVER = Server(ServerId("gpu01", "default"), "10.0.1.11", 9000, 9001, 9002)
NODE = Node("gpu01", Connection.SSH, "10.0.1.11", "10.0.1.11", servers=(SERVER,))
GOOD = {
    "arch": "x86_64",
    "os.id": "debian",
    "os.version": "12",
    "os.name": "Debian GNU/Linux 12 (bookworm)",
    "glibc": "2.36",
    "python.3.11": "/usr/bin/python3.11",
    "python.3.11.library": "/lib/x86_64-linux-gnu",
    "tools.missing": "",
    "disk.free": str(80 * 10**9),
    "disk.mount": "/",
    "disk.type": "ext4",
    "disk.options": "rw,relatime",
    "root": "/home/ops/.local/share/distctl/prod/gpu01",
    "clock.offset": "0.02",
    "gpus": "0",
    "ports": "22=sshd:812",
    "systemd": "yes",
    "systemd.user": "yes",
    "systemd.linger": "yes",
    "uid": "1000",
    "user": "ops",
}


def test_a_good_node_has_nothing_but_good_news():
    assert {verdict.level for verdict in verdicts(NODE, GOOD)} == {Level.OK}


@pytest.mark.parametrize(
    ("change", "level", "what", "remedy"),
    [
        (
            {"python.3.11.library": ""},
            Level.FAIL,
            "Python 3.11 has no libpython, which Triton's python backend embeds",
            "sudo apt-get install -y python3.11 libpython3.11",
        ),
        (
            {"python.3.11": None, "os.id": "ubuntu", "os.version": "24.04"},
            Level.FAIL,
            "there is no Python 3.9 to 3.12, which Triton's python backend needs",
            "sudo apt-get install -y python3.12 libpython3.12",
        ),
        (
            {"python.3.11.library": "", "os.id": "rocky"},
            Level.FAIL,
            "Python 3.11 has no libpython, which Triton's python backend embeds",
            "sudo dnf install -y python3.11 python3.11-libs",
        ),
        ({"glibc": "2.31"}, Level.FAIL, "glibc is 2.31 and tritonserver needs 2.35", "use Debian 12"),
        ({"glibc": None}, Level.FAIL, "there is no glibc here", "use Debian 12"),
        ({"arch": "aarch64"}, Level.FAIL, "the processor is aarch64", "`runtime.path`"),
        ({"disk.free": "1000000"}, Level.FAIL, "0.0 GB free on /", "free 524 MB there"),
        ({"disk.options": "rw,noexec"}, Level.FAIL, "/ is mounted noexec", "set `directory` of gpu01"),
        ({"root": "/tmp/x/prod/gpu01"}, Level.FAIL, "is in a temporary folder", "set `directory` of gpu01"),
        ({"disk.type": "nfs4"}, Level.WARN, "is on a network file system", "set `directory` of gpu01"),
        (
            {"tools.missing": "flock setsid cmp"},
            Level.FAIL,
            "flock, setsid, cmp not found",
            "sudo apt-get install -y util-linux diffutils",
        ),
        ({"clock.offset": "-61.4"}, Level.WARN, "the clock is 61 s behind this machine's", "set-ntp"),
        (
            {"ports": "9001=nginx:77"},
            Level.FAIL,
            "port 9001 of server default is taken by nginx (pid 77)",
            "give gpu01 other `servers.ports`",
        ),
        ({"ports": "9002=?"}, Level.FAIL, "taken by a process that only root may see", "stop it"),
        (
            {"systemd.linger": "no"},
            Level.WARN,
            "servers run detached and do not come back after a reboot",
            "sudo loginctl enable-linger ops",
        ),
        ({"systemd": "no"}, Level.WARN, "there is no systemd", "after a reboot of gpu01: distctl up"),
    ],
)
def test_what_up_would_stumble_on(change, level, what, remedy):
    facts = {key: value for key, value in {**GOOD, **change}.items() if value is not None}
    bad = [verdict for verdict in verdicts(NODE, facts) if verdict.level is not Level.OK]
    assert [(verdict.level, what in verdict.what, remedy in verdict.remedy) for verdict in bad] == [
        (level, True, True)
    ]


def test_the_worst_comes_first():
    found = verdicts(NODE, {**GOOD, "glibc": "2.31", "clock.offset": "99"})
    assert [verdict.level for verdict in found[:3]] == [Level.FAIL, Level.WARN, Level.OK]


def test_a_port_that_our_own_server_holds_is_not_taken():
    facts = {**GOOD, "ports": "9000=tritonserver:4711"}
    assert all(verdict.level is Level.OK for verdict in verdicts(NODE, facts, own_pids={4711}))


def test_become_brings_system_units_whatever_the_accounts_own_systemd_is():
    facts = {**GOOD, "systemd.user": "no", "systemd.linger": "no"}
    assert all(verdict.level is Level.OK for verdict in verdicts(NODE, facts, become=True))


@pytest.mark.parametrize(
    "node",
    [
        replace(NODE, runtime=Runtime(path="/opt/tritonserver")),
        replace(NODE, runtime=Runtime(RuntimeKind.EXTERNAL)),
        replace(NODE, servers=()),
    ],
)
def test_a_node_without_our_triton_needs_no_python_and_no_glibc(node):
    facts = {key: value for key, value in GOOD.items() if not key.startswith(("python", "glibc"))}
    assert all(verdict.level is Level.OK for verdict in verdicts(node, facts))


def test_a_wanted_interpreter_that_is_not_there_is_named():
    node = replace(NODE, runtime=Runtime(python="/opt/py/bin/python3.10"))
    (bad,) = [verdict for verdict in verdicts(node, GOOD) if verdict.level is Level.FAIL]
    assert "/opt/py/bin/python3.10" in bad.what


def test_what_is_not_known_is_not_judged():
    assert verdicts(NODE, {}) == ()
