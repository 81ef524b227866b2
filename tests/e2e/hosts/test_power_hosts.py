"""A controller turns machines off and on under verified load: nothing is lost, and room comes back."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command import Operator, nodes_of
from hosts import Host, Hosts
from load import Load

pytestmark = [pytest.mark.hosts, pytest.mark.nightly]

Figure = Callable[[str], None]
IDLE = 6.0  # seconds


class Switchboard:
    """Who presses the buttons: commands leave `NODE.on` and `NODE.off` in a folder, and a thread obeys."""

    def __init__(self, folder: Path, hosts: list[Host]) -> None:
        self.folder, self.hosts = folder, {host.name: host for host in hosts}
        self.pressed: list[str] = []
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._obey, daemon=True)
        folder.mkdir()
        self._thread.start()

    def _obey(self) -> None:
        while not self._ends.wait(0.1):
            for file in sorted(self.folder.iterdir()):
                file.unlink()
                self.pressed.append(file.name)
                name, _, word = file.name.partition(".")
                host = self.hosts[name]
                (host.boot if word == "on" else host.power_cut)()

    def end(self) -> None:
        self._ends.set()
        self._thread.join(20)


@pytest.fixture(scope="module")
def powered(
    machines: Hosts, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Operator, Switchboard]]:
    """A router, a node that is always on, and one with power, under a controller."""
    operator = Operator(machines, tmp_path_factory.mktemp("powered"))
    lb, first, second = (machines.add(name) for name in ("lb", "gpu01", "gpu02"))
    board = Switchboard(operator.folder / "board", [second])
    nodes = {**nodes_of([lb], servers="none"), **nodes_of([first, second])}
    power = {
        "on": ["touch", "board/{node}.on"],
        "off": ["sh", "-c", 'touch "board/$DISTCTL_NODE.off"'],
        "idle_for": f"{IDLE:g}s",
        "boot": "60s",
    }
    nodes["gpu02"]["power"] = power
    operator.write(nodes, models={"digits": {"replicas": 1}, "simple": {"replicas": 1}}, on=["lb"])
    operator.run("up", "-y")
    controller = operator.start("controller", "run")
    try:
        yield operator, board
    finally:
        controller.send_signal(signal.SIGTERM)
        with contextlib.suppress(Exception):
            print(controller.communicate(timeout=60))
        controller.kill()
        board.end()
    operator.run("down", "-y")


def node(cluster: Operator, name: str) -> dict[str, object]:
    found = {n["node"]: n for n in cluster.status()["nodes"]}[name]["observed"]
    assert isinstance(found, dict)
    return found


def wait(what: Callable[[], bool], said: str, seconds: float) -> float:
    """Seconds until something is so."""
    begun = time.monotonic()
    while time.monotonic() < begun + seconds:
        if what():
            return time.monotonic() - begun
        time.sleep(0.3)
    raise AssertionError(f"{said}: not within {seconds:g} s")


def test_an_idle_node_goes_off_and_comes_on_when_a_replica_needs_it(
    powered: tuple[Operator, Switchboard], figure: Figure
) -> None:
    cluster, board = powered
    with Load(8000, 8001, "digits:http*2", "digits:grpc", host=cluster.hosts["lb"].address) as under:
        cluster.run("scale", "simple=0", timeout=60)
        off = wait(lambda: node(cluster, "gpu02")["state"] == "off", "it goes off", IDLE + 60)
        assert board.pressed == ["gpu02.off"]
        assert "turning off gpu02: idle" in cluster.run("events").said
        plan = cluster.run("plan", "--detailed-exitcode")
        assert plan.status == 0, "an off node is no trouble"
        time.sleep(8.0)
        health = [line for line in cluster.run("events").said.splitlines() if " health " in line]
        assert not any("gpu02" in line and "unreachable" in line for line in health)
        cluster.run("scale", "digits=2", timeout=60)
        on = wait(lambda: "digits" in str(node(cluster, "gpu02")["servers"][0]["ready"]), "it serves", 90)  # type: ignore[index]
        time.sleep(2.0)
    under.report.require_whole()
    assert board.pressed == ["gpu02.off", "gpu02.on"]
    power = node(cluster, "gpu02")["power"]
    assert isinstance(power, dict)
    assert power["state"] == "on" and power["saved_hours"] > 0
    figure(f"off {off:.1f} s after it fell idle, serving {on:.1f} s after it was asked for; {under.report}")
