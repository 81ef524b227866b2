"""A controller in the background below a real systemd: it heals, outlives a reboot, and ends when told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from command import Operator, nodes_of, wait
from desk import FOLDER, Desk
from host import Host
from hosts import Hosts

pytestmark = [pytest.mark.hosts, pytest.mark.nightly]

Figure = Callable[[str], None]
UNIT = f"{FOLDER}/.distctl/controller/test/units/controller"
LOSE = "pkill -9 -f '[s]upervise'; pkill -9 -x tritonserver"
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def desk(machines: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk with systemd, and what it operates: a router and a server on hosts of their own."""
    lb, gpu01 = (machines.add(name) for name in ("lb", "gpu01"))
    made = Desk(machines, "desk", systemd=True)
    operator = Operator(machines, tmp_path_factory.mktemp("background"))
    nodes = {**nodes_of([lb], servers="none"), **nodes_of([gpu01])}
    operator.write(nodes, models={"digits": {"replicas": 1}}, on=["lb"])
    made.furnish(operator)
    made.run("up", "-y")
    yield made
    made.run("controller", "stop", check=False)
    made.run("down", "-y")


def services(host: Host) -> list[str]:
    """The units of ours that systemd says are active."""
    listed = host.run("systemctl list-units --state=active --plain --no-legend 'distctl-*'").stdout
    return [line.split()[0] for line in listed.splitlines()]


def leader(desk: Desk) -> str:
    found = json.loads(desk.run("controller", "status", "-o", "json", check=False).stdout)["leader"]
    assert isinstance(found, str)
    return found


def healed(desk: Desk) -> float:
    """Seconds from the loss of a server and its supervisor until it serves again."""
    desk.host.hosts["gpu01"].run(LOSE)
    return wait(lambda: serving(desk), "it serves again", 60, lambda: log(desk))


def serving(desk: Desk) -> bool:
    return bool(desk.status()["models"][0]["observed"]["serving"] == 1)


def log(desk: Desk) -> str:
    return desk.host.run(f"tail -c 8000 {UNIT}/log", check=False).stdout


def test_it_is_a_unit_that_heals_and_survives_a_reboot(desk: Desk, figure: Figure) -> None:
    said = desk.run("controller", "run", "--detach").stderr
    assert "a systemd unit of this machine" in said
    (service,) = services(desk.host)
    wait(lambda: bool(leader(desk)), "it leads", 20, lambda: log(desk))
    first = healed(desk)
    desk.host.power_cut()
    desk.host.boot()
    again = wait(lambda: services(desk.host) == [service] and bool(leader(desk)), "it leads again", 60)
    second = healed(desk)
    figure(f"healed after {first:.1f} s; after a reboot it leads by itself within {again:.1f} s")
    figure(f"and heals after {second:.1f} s")


def test_its_log_is_bounded(desk: Desk) -> None:
    """It is filled four times; one and three older ones are kept."""
    for _ in range(4):
        desk.host.run(f"head -c {9 * MEGABYTE} /dev/zero | tr '\\0' x >> {UNIT}/log")
        wait(lambda: size(desk.host, f"{UNIT}/log") < MEGABYTE, "the log is rotated", 60)
    files = desk.host.run(f"ls {UNIT} | grep '^log'").stdout.split()
    assert files == ["log", "log.1", "log.2", "log.3"]


def size(host: Host, path: str) -> int:
    return int(host.run(f"stat -c %s {path}").stdout)


def test_stop_ends_it_for_good(desk: Desk) -> None:
    assert "stopped: process" in desk.run("controller", "stop").stderr
    assert services(desk.host) == []
    assert leader(desk) == ""
    desk.host.power_cut()
    desk.host.boot()
    assert services(desk.host) == []
    assert leader(desk) == ""
