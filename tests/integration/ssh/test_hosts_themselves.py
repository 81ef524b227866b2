"""The test hosts do what the tests that use them believe."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.hosts

CRASH = """
import os, signal, sys
sys.path[:0] = sys.argv[1:]
from hosts import Hosts
hosts = Hosts()
hosts.add("doomed")
print(hosts.slot, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_power_cut_keeps_the_disk_and_loses_processes_memory_and_boot_id(hosts):
    host = hosts.add("gpu01")
    host.run(
        "echo kept > /srv/disk; echo lost > /dev/shm/x; echo lost > /run/x; setsid sleep 99 >/dev/null 2>&1 &"
    )
    before = host.run("cat /proc/sys/kernel/random/boot_id").stdout
    host.power_cut()
    with pytest.raises(RuntimeError, match="switched off"):
        host.run("true")
    host.boot()
    assert host.run("cat /srv/disk").stdout == "kept\n"
    assert host.run("ls /dev/shm /run/x; pgrep -x sleep", check=False).stdout == "/dev/shm:\n"
    assert host.run("cat /proc/sys/kernel/random/boot_id").stdout != before


def test_hosts_share_no_files_and_see_no_home_of_this_machine(hosts):
    first, second = hosts.add("a"), hosts.add("b")
    first.run("echo x > /etc/only-a")
    assert second.run("ls /etc/only-a", check=False).returncode != 0
    assert not Path("/etc/only-a").exists()
    assert first.run("ls -A /root /home").stdout == "/home:\n\n/root:\n"


def test_a_host_on_another_network_is_reached_from_its_neighbours_alone(hosts):
    hosts.add("jump", networks=(0, 1))
    inner = hosts.add("inner", networks=(1,))
    ping = f"timeout 2 bash -c 'exec 3<>/dev/tcp/{inner.address}/22'"
    assert hosts["jump"].run(ping, check=False).returncode == 0
    assert subprocess.run(["sh", "-c", ping], check=False, capture_output=True).returncode != 0


def test_what_a_killed_run_left_is_swept_before_its_slot_is_used_again():
    from hosts import BASE, Hosts

    tests = Path(__file__).parents[2]
    argv = [sys.executable, "-c", CRASH, str(tests), str(tests.parent)]
    crashed = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert crashed.returncode == -signal.SIGKILL
    slot = int(crashed.stdout)
    assert f"dh{slot}-0" in listed(), "it did leave something"
    with Hosts() as hosts:
        if hosts.slot != slot:
            pytest.fail(f"slot {slot} was taken by another suite meanwhile")
        assert f"dh{slot}-0" not in listed()
        assert f"{BASE}/{slot}/" not in Path("/proc/mounts").read_text()
        assert hosts.add("fresh").run("hostname").stdout == "fresh\n"
    assert (
        f"dh{slot}"
        not in subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    )


def listed() -> str:
    return subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout


def test_a_systemd_of_its_own_is_first_process_and_leaves_no_control_group(hosts):
    host = hosts.add("booted", systemd=True)
    groups = {
        line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if " cgroup2 " in line
    }
    mine = f"dh{hosts.slot}-0"
    assert host.run("cat /proc/1/comm; systemctl is-system-running --wait").stdout == "systemd\nrunning\n"
    assert any(Path(group, mine).is_dir() for group in groups)
    host.power_cut()
    host.boot()
    assert host.run("systemctl is-active host-sshd").stdout == "active\n"
    hosts.close()
    assert not any(Path(group, mine).exists() for group in groups)


def test_a_clock_of_its_own_is_what_ssh_sessions_see_and_no_other_host(hosts, operator):
    ahead, right = hosts.add("ahead", clock="+300s"), hosts.add("right")
    connections = operator(hosts)

    def offset(host):
        said = connections.connector(host.node()).run("date +%s", tried="asking", deadline=10).stdout
        return int(said) - time.time()

    assert abs(offset(ahead) - 300) < 5
    ahead.set_clock("-5m")
    assert abs(offset(ahead) + 300) < 5
    assert abs(offset(right)) < 5
