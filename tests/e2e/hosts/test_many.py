"""Many nodes at once: measured each night."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from command import Operators, nodes_of
from hosts import Hosts

pytestmark = pytest.mark.hosts


@pytest.mark.nightly
@pytest.mark.parametrize("count", [2, 8])
def test_up_of_many_nodes_from_nothing(
    hosts: Hosts, operators: Operators, figure: Callable[[str], None], count: int
) -> None:
    """In parallel; again it changes nothing; the times are told."""
    machines = [hosts.add(f"gpu{number:02}", size="400m") for number in range(1, count + 1)]
    ann = operators(hosts)
    ann.write(nodes_of(machines), models={"simple": {"replicas": count}}, on=["gpu01"])
    up = ann.run("up", "-y", timeout=240)
    again = ann.run("up", "-y")
    ann.run("status", "--check")
    down = ann.run("down", "-y")
    times = f"up {up.seconds:.1f} s, nothing to do {again.seconds:.1f} s, down {down.seconds:.1f} s"
    figure(f"{count} nodes: {times}")
    assert "Nothing to do" in again.stderr
    for host in machines:
        assert host.run("pgrep -c 'tritonserver|haproxy'; ls /dev/shm", check=False).stdout == "0\n"
