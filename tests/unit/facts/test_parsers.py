"""Recorded outputs become facts; outputs that were cut short become fewer facts, never errors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distctl.facts import all as every
from distctl.facts import gpu, network, python, services, storage, system
from distctl.facts.probe import Probe, read, section, sections

IDENTITY = """clock=1795476865.954413921
boot_id=1611e90c-24f4-44f9-aecd-5f6df6c93d02
machine_id=3d1219c7c4c5404aaa1f6d2a48adfda4
hostname=gpu01
uid=1000
user=ops
home=/home/ops
root=/home/ops/.local/share/distctl/prod/gpu01
nofile=1048576
"""
DEBIAN = (
    'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\nHOME_URL="https://x/?a=b"\n'
)
UBUNTU = "PRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\nVERSION_ID='24.04'\nID=ubuntu\nID_LIKE=debian\n"
DISK = """Filesystem     1024-blocks     Used Available Capacity Mounted on
/dev/mapper/vg root 263108160 24030404  82540752      23% /srv/my data
Filesystem       Inodes  IUsed    IFree IUse% Mounted on
/dev/mapper/vg root 16777216 427254 16349962    3% /srv/my data
---
proc /proc proc rw,nosuid 0 0
/dev/mapper/vg-root /srv/my\\040data ext4 ro 0 0
/dev/mapper/vg-root /srv/my\\040data xfs rw,noexec,relatime 0 0
"""
DISK_PLAIN = """Filesystem     1024-blocks     Used Available Capacity Mounted on
/dev/vda         263108160 24030404  82540752      23% /
Filesystem       Inodes  IUsed    IFree IUse% Mounted on
/dev/vda       16777216 427254 16349962    3% /
---
/dev/vda / ext4 rw,relatime 0 0
"""
GPUS = """NVIDIA A100-SXM4-80GB, 81920, 1034, 535.129.03, GPU-5a1c
NVIDIA A100-SXM4-80GB, 81920, [N/A], 535.129.03, GPU-77de
"""
GPU_BROKEN = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n"
SERVICES = "systemd=yes\nuser=yes\nlinger=no\nselinux=1\nengine.podman=yes\nmissing.flock=yes\nend=yes\n"
SS = """LISTEN 0      4096              0.0.0.0:22         0.0.0.0:*    users:(("sshd",pid=812,fd=3))
LISTEN 0      4096              127.0.0.1:9000     0.0.0.0:*    users:(("tritonserver",pid=4711,fd=4),("x",pid=1,fd=2))
LISTEN 0      4096                 [::1]:9001          [::]:*
LISTEN 0      4096                     *:22               *:*
"""
PROC = """proc
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2328 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0
   1: 0100007F:D6E4 0100007F:2328 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0
"""
IP = """1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
2: eth0    inet 10.0.1.11/24 brd 10.0.1.255 scope global eth0
2: eth0    inet6 fd00::2/64 scope global
2: eth0    inet6 fe80::5054:ff:fe12:3456/64 scope link
"""
PYTHONS = """3.12\t/opt/python312/bin/python3.12\t
3.11\t/usr/bin/python3.11\t
3.11\t/home/ops/.pyenv/versions/3.11.7/bin/python3.11\t/home/ops/.pyenv/versions/3.11.7/bin/../lib
3.10\t/usr/bin/python3.10\t/lib/x86_64-linux-gnu
3.8\t/usr/bin/python3.8\t/lib
"""

TABLE = [
    (
        system.parse_identity,
        IDENTITY,
        {
            "clock": "1795476865.954413921",
            "boot_id": "1611e90c-24f4-44f9-aecd-5f6df6c93d02",
            "machine_id": "3d1219c7c4c5404aaa1f6d2a48adfda4",
            "hostname": "gpu01",
            "uid": "1000",
            "user": "ops",
            "home": "/home/ops",
            "root": "/home/ops/.local/share/distctl/prod/gpu01",
            "limit.nofile": "1048576",
        },
    ),
    (system.parse_identity, "clock=1795476865.%N\nhome=/\n", {"clock": "1795476865", "home": "/"}),
    (
        system.parse_release,
        DEBIAN,
        {"os.id": "debian", "os.version": "12", "os.name": "Debian GNU/Linux 12 (bookworm)"},
    ),
    (
        system.parse_release,
        UBUNTU,
        {"os.id": "ubuntu", "os.version": "24.04", "os.name": "Ubuntu 24.04.1 LTS"},
    ),
    (
        system.parse_kernel,
        "6.1.0-18-amd64 x86_64\nglibc 2.36\n16\n",
        {"kernel": "6.1.0-18-amd64", "arch": "x86_64", "glibc": "2.36", "cpus": "16"},
    ),
    (system.parse_kernel, "6.6.7-lts aarch64\n4\n", {"kernel": "6.6.7-lts", "arch": "aarch64", "cpus": "4"}),
    (
        system.parse_memory,
        "MemTotal:       24683656 kB\nMemFree:         1 kB\nMemAvailable:   24043588 kB\n",
        {"memory.total": str(24683656 * 1024), "memory.available": str(24043588 * 1024)},
    ),
    (
        storage.parse_disk,
        DISK_PLAIN,
        {
            "disk.free": str(82540752 * 1024),
            "disk.mount": "/",
            "disk.inodes": "16349962",
            "disk.type": "ext4",
            "disk.options": "rw,relatime",
        },
    ),
    (
        gpu.parse_gpus,
        GPUS,
        {
            "gpus": "2",
            "gpu.0.name": "NVIDIA A100-SXM4-80GB",
            "gpu.0.memory": str(81920 * 1024**2),
            "gpu.0.used": str(1034 * 1024**2),
            "gpu.0.driver": "535.129.03",
            "gpu.0.uuid": "GPU-5a1c",
            "gpu.1.name": "NVIDIA A100-SXM4-80GB",
            "gpu.1.memory": str(81920 * 1024**2),
            "gpu.1.driver": "535.129.03",
            "gpu.1.uuid": "GPU-77de",
        },
    ),
    (gpu.parse_gpus, "", {"gpus": "0"}),
    (gpu.parse_gpus, GPU_BROKEN, {"gpus": "0"}),
    (
        services.parse_services,
        SERVICES,
        {
            "systemd": "yes",
            "systemd.user": "yes",
            "systemd.linger": "no",
            "selinux": "enforcing",
            "containers": "podman",
            "tools.missing": "flock",
        },
    ),
    (services.parse_services, "systemd=no\nuser=no\n", {"systemd": "no", "systemd.user": "no"}),
    (network.parse_ports, SS, {"ports": "22=sshd:812 9000=tritonserver:4711 9001=?"}),
    (network.parse_ports, PROC, {"ports": "9000=?"}),
    (network.parse_ports, "", {"ports": ""}),
    (
        network.parse_addresses,
        IP,
        {"addresses": "127.0.0.1 10.0.1.11 fd00::2", "networks": "eth0=10.0.1.11/24 eth0=fd00::2/64"},
    ),
    (network.parse_addresses, "10.0.1.11 fd00::2 \n", {"addresses": "10.0.1.11 fd00::2"}),
    (
        python.parse_pythons,
        PYTHONS,
        {
            "python.3.12": "/opt/python312/bin/python3.12",
            "python.3.12.library": "",
            "python.3.11": "/home/ops/.pyenv/versions/3.11.7/bin/python3.11",
            "python.3.11.library": "/home/ops/.pyenv/versions/3.11.7/bin/../lib",
            "python.3.10": "/usr/bin/python3.10",
            "python.3.10.library": "/lib/x86_64-linux-gnu",
        },
    ),
]


@pytest.mark.parametrize(("parse", "text", "facts"), TABLE)
def test_a_recorded_output(parse, text, facts):
    assert parse(text) == facts


@pytest.mark.parametrize(("parse", "text", "facts"), TABLE)
@given(data=st.data())
def test_an_output_that_was_cut_short_is_fewer_facts(parse, text, facts, data):
    cut = parse(text[: data.draw(st.integers(0, len(text)))])
    assert all(isinstance(value, str) for value in cut.values())
    assert set(cut) <= set(facts) | {"gpus", "ports", "addresses"}


@pytest.mark.parametrize("probe", every.PROBES, ids=lambda probe: probe.name)
@given(text=st.text())
def test_no_text_breaks_a_parser(probe, text):
    assert all(isinstance(value, str) for value in probe.parse(text).values())


def test_a_mount_point_with_a_space_keeps_its_options():
    facts = storage.parse_disk(DISK.replace("/dev/mapper/vg root", "/dev/mapper/vg-root"))
    assert facts["disk.mount"] == "/srv/my data"
    assert facts["disk.options"] == "rw,noexec,relatime"


def test_the_systems_interpreter_with_libpython_is_chosen_before_a_newer_one_elsewhere():
    facts = python.parse_pythons(PYTHONS)
    assert python.choose(facts).path == "/usr/bin/python3.10"
    assert python.choose(facts, "3.11").path == "/home/ops/.pyenv/versions/3.11.7/bin/python3.11"
    assert python.choose(facts, "/opt/python312/bin/python3.12") is None
    assert python.choose({}) is None


def test_sections_are_cut_apart_and_a_missing_one_says_nothing():
    text = "banner of the login shell\n\n@@distctl a\nx=1\n\n@@distctl b\n"
    assert sections(text) == {"a": "x=1", "b": ""}
    probes = (Probe("a", "", lambda text: {"said": text}), Probe("c", "", lambda text: {"never": text}))
    assert read(probes, sections(text)) == {"said": "x=1"}


def test_a_section_is_a_subshell():
    assert section("a", "exit 3") == "printf '\\n@@distctl %s\\n' a\n(\nexit 3\n) 2>/dev/null\n"


def test_who_holds_a_port():
    facts = network.parse_ports(SS)
    assert network.holder_of(facts, 9000) == "tritonserver:4711"
    assert network.holder_of(facts, 9001) == "?"
    assert network.holder_of(facts, 9002) is None


@pytest.mark.parametrize(
    ("facts", "end", "offset"),
    [
        ({"clock": "100.5"}, "100.7", "0.10"),
        ({"clock": "95.0"}, "106.0", "0.00"),  # a driver that took eleven seconds is no clock that is wrong
        ({"clock": "1095.0"}, "1106.0", "1000.00"),
        ({"clock": "95"}, "106.%N", "0.00"),
        ({"clock": "100.5"}, "", "0.00"),
        ({}, "100.0", None),
    ],
)
def test_the_clocks_offset_compares_the_middles_of_both_sides(facts, end, offset):
    seen = (95.0, 106.0) if facts.get("clock", "").endswith(("95.0", "95")) else (100.0, 101.0)
    assert system.clock_offset(facts, end, seen).get("clock.offset") == offset
