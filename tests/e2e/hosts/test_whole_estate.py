"""The whole estate under all kinds of clients: what a server's fault costs whom, and planned work nobody."""

from __future__ import annotations

import contextlib
import time

import pytest
from contract import require_contract
from estate import HELD, SETTLE, Figure, everybody, holders, tell
from load_connections import Http
from pair import Pair

pytestmark = [pytest.mark.hosts, pytest.mark.nightly]


def test_a_killed_server_costs_what_it_alone_held(whole: Pair, figure: Figure) -> None:
    begun = time.time()
    with everybody(whole) as load:
        time.sleep(SETTLE)
        whole.servers[0].run("pkill -9 -x tritonserver")
        time.sleep(SETTLE)
        whole.operator.run("status", "--check", "--wait", "40s")
        time.sleep(SETTLE)
    tell(figure, "server SIGKILLed", load.report, require_contract(load.report, HELD))
    assert holders(whole, load.report, begun) <= {"gpu01/0"}, "what the other servers had went on"


def test_a_hung_server_costs_what_it_alone_held(whole: Pair, figure: Figure) -> None:
    begun = time.time()
    with everybody(whole) as load:
        time.sleep(SETTLE)
        whole.servers[1].run("pkill -STOP -x tritonserver")
        time.sleep(4)
        whole.servers[1].run("pkill -CONT -x tritonserver")
        whole.operator.run("status", "--check", "--wait", "40s")
        time.sleep(SETTLE)
    tell(figure, "server hung", load.report, require_contract(load.report, HELD))
    assert holders(whole, load.report, begun) <= {"gpu02/0"}, "what the other servers had went on"


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


def test_a_node_at_a_tenth_of_its_speed_loses_nothing(whole: Pair, figure: Figure) -> None:
    """Its processes may run for 10 of each 100 ms."""
    beat = "kill -CONT $these; sleep 0.01; kill -STOP $these; sleep 0.09"
    these = "these=$(pgrep -f '[t]ritonserver|[p]ython_backend_stub')"
    with everybody(whole) as load:
        time.sleep(SETTLE)
        try:
            whole.servers[0].run(f"{these}; for _ in $(seq 100); do {beat}; done", timeout=60)
        finally:
            whole.servers[0].run(f"{these}; kill -CONT $these")
        time.sleep(SETTLE)
    tell(figure, "node at a tenth of its speed", load.report)
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
