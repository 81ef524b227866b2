"""One address of IPv6 for two routers: it moves when its host is cut off, and a drain loses nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from command import Operator
from hosts import Hosts
from pair import Pair
from test_shared_address import DEAD, MODELS, Probe, require_answers, require_drain_loses_nothing

pytestmark = [pytest.mark.hosts, pytest.mark.nightly]
Figure = Callable[[str], None]


@pytest.fixture(scope="module")
def pair(machines: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """One server, two routers with addresses of both kinds, and this machine among them."""
    operator = Operator(machines, tmp_path_factory.mktemp("pair"))
    places = [machines.add(name) for name in ("lb01", "lb02")]
    for number, place in enumerate(places, 0x11):
        machines.sixth(number, place)
    machines.sixth(1)
    pair = Pair(operator, places, [machines.add("gpu01")], MODELS, machines.free_sixth(0x200))
    pair.write()
    operator.run("up", "-y")
    yield pair
    operator.run("down", "-y")
    for place in pair.places:
        assert not place.run(f"ip -o addr show to {pair.address}").stdout


def test_it_leaves_a_host_that_is_cut_off(pair: Pair, figure: Figure) -> None:
    pair.standby()
    holder, other = pair.holder(), pair.other()
    require_answers(pair)
    with Probe(pair.address) as probe:
        holder.cut()
        time.sleep(2.5)
    figure(f"host cut off, IPv6: {probe.gap:.2f} s without an answer, {probe.failed} new connections failed")
    assert pair.has(other)
    assert probe.gap < DEAD
    require_answers(pair)
    holder.heal()
    assert pair.holder() is other
    assert "0 to add, 0 to update, 0 to remove" in pair.operator.run("plan").stdout


def test_a_drain_moves_it_first_and_loses_nothing(pair: Pair, figure: Figure) -> None:
    require_drain_loses_nothing(pair, figure, "place drained, IPv6")
