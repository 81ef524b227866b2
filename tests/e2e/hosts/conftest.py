"""Test hosts for modules of tests, and the operators at work on them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import Operator, Operators, nodes_of
from hosts import Hosts, missing

MODELS = {"digits": {"replicas": 2}, "simple": {"replicas": 2}}


@pytest.fixture(scope="module")
def machines() -> Iterator[Hosts]:
    """Test hosts of a module, none yet."""
    if why := missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    with Hosts() as made:
        yield made


@pytest.fixture
def operators(tmp_path: Path) -> Operators:
    """Makes operators, each with a folder and a record of their own: `operators(hosts, "ann")`."""

    def make(hosts: Hosts, name: str = "ann") -> Operator:
        return Operator(hosts, tmp_path / name)

    return make


@pytest.fixture(scope="module")
def cluster(machines: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """Two nodes and a router on a third, up. A test leaves it as it found it."""
    operator = Operator(machines, tmp_path_factory.mktemp("cluster"))
    lb, *nodes = (machines.add(name) for name in ("lb", "gpu01", "gpu02"))
    operator.write(
        {"lb": {"address": lb.address, "servers": "none"}, **nodes_of(nodes)}, models=MODELS, on=["lb"]
    )
    operator.run("up", "-y")
    yield operator
    operator.run("down", "-y")
    for host in machines:
        assert host.run("find /root /var/lib -path '*/distctl/test/*'; ls /dev/shm").stdout == ""
