"""Three nodes, two routers behind one address, all kinds of clients at once: what each fault costs whom.

The contract: planned work loses nothing of any kind. A lost server loses what it alone could answer: open
sequences and streams, and bodies beyond `replay_limit`; a lost router its open connections. Each is told to
its client at once, and nothing is ever wrong.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from command import Operator
from contract import require_contract
from hosts import Hosts
from load import Load, Report
from pair import Pair

pytestmark = [pytest.mark.hosts, pytest.mark.nightly]

EVERYWHERE = ("digits", "simple", "simple_identity", "simple_sequence", "textgen")
MODELS = {name: {"replicas": 3} for name in EVERYWHERE}
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
