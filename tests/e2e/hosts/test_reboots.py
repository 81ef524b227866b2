"""Machines with a real systemd: units come back by themselves, after a kill and after a power cut.

The node of root and the node of an account with sudo have system units; the third node's account has no
rights but linger, so its units belong to that account's own systemd.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from command import Operator, nodes_of
from hosts import Host, Hosts
from load import Load

pytestmark = pytest.mark.hosts

FOLDERS = {
    "lb": "/root/.local/share/distctl",
    "gpu01": "/var/lib/distctl",
    "gpu02": "/home/ann/.local/share/distctl",
}
AS_ANN = "runuser -u ann -- env XDG_RUNTIME_DIR=/run/user/$(id -u ann) systemctl --user"
SYSTEMCTL = {"lb": "systemctl", "gpu01": "systemctl", "gpu02": AS_ANN}
SETTLE = 1.0  # seconds of load before and after what a test does
UNIT_FILES = "/etc/systemd/system /home/ann/.config/systemd"


@pytest.fixture(scope="module")
def booted(machines: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """A router and two servers, up, each below a systemd."""
    operator = Operator(machines, tmp_path_factory.mktemp("booted"))
    lb, gpu01, gpu02 = (machines.add(name, systemd=True) for name in ("lb", "gpu01", "gpu02"))
    gpu01.add_user("ops", sudo="free")
    gpu02.add_user("ann")
    gpu02.run("loginctl enable-linger ann")
    nodes = {
        **nodes_of([lb], servers="none"),
        **nodes_of([gpu01], ssh={"user": "ops", "become": True}),
        **nodes_of([gpu02], ssh={"user": "ann"}),
    }
    operator.write(nodes, models={"digits": {"replicas": 2}, "simple": {"replicas": 2}}, on=["lb"])
    operator.run("up", "-y")
    yield operator
    operator.run("down", "-y")


def unit_of(host: Host) -> str:
    """The unit's folder on a host, whose last part is its name."""
    return host.run(f"echo {FOLDERS[host.name]}/test/{host.name}/units/*").stdout.strip()


def services(host: Host) -> list[str]:
    """The units of ours that systemd says are active."""
    listed = host.run(f"{SYSTEMCTL[host.name]} list-units --state=active --plain --no-legend 'distctl-*'")
    return [line.split()[0] for line in listed.stdout.splitlines()]


def load(cluster: Operator) -> Load:
    return Load(8000, 8001, "digits:http*2", "simple:grpc*2", host=cluster.hosts["lb"].address)


def ready(cluster: Operator) -> None:
    """Everything that is wanted is there again; nothing but looking was done for it."""
    cluster.run("status", "--check", "--wait", "40s")


def test_units_are_active_and_run_in_control_groups_of_their_own(booted: Operator) -> None:
    """One service each, and doctor says that it comes back after a reboot."""
    for host in booted.hosts:
        (service,) = services(host)
        assert service.startswith(f"distctl-test-{host.name}-")
        process = host.run(f"cat {unit_of(host)}/pid").stdout.splitlines()[1].split()[1]
        assert host.run(f"cat /proc/{process}/cgroup").stdout.rstrip().endswith(f"/{service}")
    assert booted.run("doctor").stdout.count("come back after a reboot") == 3


@pytest.mark.parametrize(
    ("name", "whom"), [("gpu01", "main"), pytest.param("gpu02", "all", marks=pytest.mark.nightly)]
)
def test_systemd_brings_a_killed_supervisor_back_under_load(booted: Operator, name: str, whom: str) -> None:
    """SIGKILL of a supervisor alone, which costs its process too, and of everything in a unit."""
    host = booted.hosts[name]
    (service,) = services(host)
    before = host.run(f"cat {unit_of(host)}/pid").stdout
    with load(booted) as under:
        time.sleep(SETTLE)
        host.run(f"{SYSTEMCTL[name]} kill --kill-whom={whom} --signal=KILL {service}")
        time.sleep(SETTLE)
        ready(booted)
    under.report.require_whole()
    after = host.run(f"cat {unit_of(host)}/pid").stdout
    assert after.splitlines()[0] != before.splitlines()[0]
    assert host.run("pgrep -cx tritonserver").stdout == "1\n"
    assert "Nothing to do" in booted.run("up", "-y").stderr


@pytest.mark.parametrize("name", ["gpu02", pytest.param("gpu01", marks=pytest.mark.nightly)])
def test_after_a_power_cut_a_node_serves_the_same_models_by_itself(booted: Operator, name: str) -> None:
    """A server of the account, and one of the system: no command of ours between boot and service."""
    with load(booted) as under:
        time.sleep(SETTLE)
        booted.hosts[name].power_cut()
        time.sleep(SETTLE)
        booted.hosts[name].boot()
        ready(booted)
    under.report.require_whole()


def test_a_router_and_a_server_come_back_together(booted: Operator) -> None:
    """The power of a rack fails: both serve again by themselves, and `up` finds nothing to do."""
    for name in ("lb", "gpu01"):
        booted.hosts[name].power_cut()
    for name in ("lb", "gpu01"):
        booted.hosts[name].boot()
    ready(booted)
    with load(booted) as under:
        time.sleep(SETTLE)
    under.report.require_whole()
    assert "Nothing to do" in booted.run("up", "-y").stderr


def test_down_stops_and_removes_every_unit_for_good(booted: Operator) -> None:
    """No service, no unit file, no process, no folder; and a boot brings nothing back."""
    booted.run("down", "-y")
    for host in booted.hosts:
        assert services(host) == []
        assert host.run(f"find {UNIT_FILES} -name 'distctl*' 2>/dev/null", check=False).stdout == ""
        assert host.run(f"ls -d {FOLDERS[host.name]}/test 2>/dev/null", check=False).stdout == ""
    gpu01 = booted.hosts["gpu01"]
    gpu01.power_cut()
    gpu01.boot()
    assert services(gpu01) == []
    assert gpu01.run("pgrep -x 'tritonserver|haproxy'", check=False).stdout == ""
