"""Three nodes, two routers behind one address, all kinds of clients at once: what each fault costs whom.

The contract: planned work loses nothing of any kind. A lost server loses what it alone could answer: open
sequences and streams, and bodies beyond `replay_limit`; a lost router its open connections. Each is told to
its client at once, and nothing is ever wrong.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command import Operator
from contract import require_contract
from hosts import Hosts
from load import Load, Report
from load_connections import Http
from pair import Pair

pytestmark = [pytest.mark.hosts, pytest.mark.nightly]

SLOW = {
    "source": str(Path(__file__).parents[2] / "models" / "slow"),
    "concurrency": 4,
    "queue": {"length": 12},
}
EVERYWHERE = ("digits", "simple", "simple_identity", "simple_sequence", "textgen")
MODELS = {**{name: {"replicas": 3} for name in EVERYWHERE}, "slow": {"replicas": 3, **SLOW}}
ROUTER: dict[str, Any] = {"lame_duck": "2s", "limits": {"upload": "5s"}}
REPLAYED = ("digits:http*2", "digits:grpc*2", "simple:http", "simple:grpc")
HELD = ("sequence:http*2", "sequence:grpc*2", "hops:http*2", "words:grpc*2", "sse:http*2", "huge:http")
SETTLE = 2.0  # seconds of load before and after what a test does
Figure = Callable[[str], None]


@pytest.fixture(scope="module")
def estate(machines: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """All of it, up."""
    places = [machines.add(name) for name in ("lb01", "lb02")]
    servers = [machines.add(f"gpu0{number}") for number in (1, 2, 3)]
    operator = Operator(machines, tmp_path_factory.mktemp("estate"))
    made = Pair(operator, places, servers, MODELS)
    made.write(**ROUTER)
    operator.run("up", "-y")
    yield made
    operator.run("down", "-y")


@pytest.fixture
def whole(estate: Pair) -> Pair:
    """The estate with everything that is wanted, and a second place that would take the address."""
    estate.standby()
    return estate


def everybody(estate: Pair, **how: Any) -> Load:
    return estate.load(*REPLAYED, *HELD, **how)


def tell(figure: Figure, what: str, report: Report, lost: Counter[str] | None = None) -> None:
    kinds = Counter(name.partition("#")[0] for name in lost or ())
    held = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
    figure(f"{what}: {report}" + (f" (by contract: {held or 'none'})" if lost is not None else ""))


def test_a_killed_server_costs_what_it_alone_held(whole: Pair, figure: Figure) -> None:
    with everybody(whole) as load:
        time.sleep(SETTLE)
        whole.servers[0].run("pkill -9 -x tritonserver")
        time.sleep(SETTLE)
        whole.operator.run("status", "--check", "--wait", "40s")
        time.sleep(SETTLE)
    tell(figure, "server SIGKILLed", load.report, require_contract(load.report, HELD))


def test_a_node_is_drained_and_counts_change_without_a_loss(whole: Pair, figure: Figure) -> None:
    with everybody(whole) as load:
        whole.operator.run("drain", "gpu03", "-m", "new kernel")
        time.sleep(SETTLE)
        whole.operator.run("undrain", "gpu03")
        whole.operator.run("scale", "digits=1", "textgen=2", "simple_sequence=2")
        time.sleep(SETTLE)
        whole.operator.run("scale", "digits=auto", "textgen=auto", "simple_sequence=auto")
        time.sleep(SETTLE)
    tell(figure, "node drained, models scaled", load.report)
    load.report.require_whole(at_least=1000)


def test_a_router_is_drained_behind_the_address_without_a_loss(whole: Pair, figure: Figure) -> None:
    holder, other = whole.holder(), whole.other()
    with everybody(whole) as load:
        time.sleep(SETTLE)
        whole.operator.run("router", "drain", f"main@{holder.name}", "-m", "new kernel")
        assert not holder.run("pgrep -x haproxy", check=False).stdout
        assert whole.holder() is other
        time.sleep(SETTLE)
        whole.operator.run("router", "undrain", f"main@{holder.name}")
        time.sleep(SETTLE)
    tell(figure, "router drained and brought back", load.report)
    load.report.require_whole(at_least=500)


def test_a_sequence_goes_on_at_the_other_machine(whole: Pair) -> None:
    """The places tell each other of sequences over the network."""
    with (
        contextlib.closing(Http(whole.places[0].address, 8000)) as one,
        contextlib.closing(Http(whole.places[1].address, 8000)) as two,
    ):
        for identity in range(1, 13):
            assert step(one, identity, 3, begins=True) == 3
        time.sleep(0.5)  # a change is on its way for some milliseconds
        for identity in range(1, 13):
            assert [step(router, identity, 1) for router in (two, one, two)] == [4, 5, 6]
            assert step(two, identity, 1, ends=True) == 7


def step(router: Http, identity: int, value: int, *, begins: bool = False, ends: bool = False) -> int:
    """The sum so far."""
    tensor = {"name": "INPUT", "datatype": "INT32", "shape": [1, 1], "data": [value]}
    how = {"sequence_id": identity, "sequence_start": begins, "sequence_end": ends}
    (found,) = router("simple_sequence", [tensor], how)["SUM"]
    assert isinstance(found, int)
    return found
