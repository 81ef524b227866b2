"""Test hosts for modules of tests, and the operators at work on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command import Operator, Operators, nodes_of
from estate import build
from hosts import Hosts, demand, missing
from pair import Pair

MODELS = {"digits": {"replicas": 2}, "simple": {"replicas": 2}}


@pytest.fixture(scope="module")
def machines() -> Iterator[Hosts]:
    """Test hosts of a module, none yet."""
    demand(missing())
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
    """Two nodes and a router on a third, up. A test leaves it as it found it.

    The nodes disagree about the time, from each other by ten minutes, whatever a test is about.
    """
    operator = Operator(machines, tmp_path_factory.mktemp("cluster"))
    lb = machines.add("lb")
    nodes = [machines.add("gpu01", clock="+5m"), machines.add("gpu02", clock="-5m")]
    operator.write(
        {"lb": {"address": lb.address, "servers": "none"}, **nodes_of(nodes)}, models=MODELS, on=["lb"]
    )
    operator.run("up", "-y")
    yield operator
    operator.run("down", "-y")
    for host in machines:
        left = host.run("find /root /var/lib -path '*/distctl/test/*'; ls -I '*faketime_*' /dev/shm").stdout
        assert left == ""


@pytest.fixture(scope="module")
def estate(machines: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Three nodes and two routers behind one address, up."""
    made = build(machines, tmp_path_factory.mktemp("estate"))
    made.operator.run("up", "-y")
    yield made
    made.operator.run("down", "-y")


@pytest.fixture
def whole(estate: Pair) -> Pair:
    """The estate with everything that is wanted, and a second place that would take the address."""
    estate.standby()
    return estate
