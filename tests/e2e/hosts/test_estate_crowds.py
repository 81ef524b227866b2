"""The whole estate: more clients than can be served, and a bad wire."""

from __future__ import annotations

import time

import pytest
from crowd import ask_for_more, held, hung_up
from estate import HELD, REPLAYED, SETTLE, Figure, everybody, tell
from pair import Pair
from wire import Wire

pytestmark = [pytest.mark.hosts, pytest.mark.nightly]

LONG = {"delay": 0.025, "loss": 0.02}  # seconds and share, each way
REFUSED = 0.05  # seconds within which a request is refused
KEPT = 1.25  # times the p99 of nodes that are just full: what two such runs differ by here


def test_five_times_the_load_leaves_what_is_admitted_as_quick(whole: Pair, figure: Figure) -> None:
    """Twelve are served at once and twelve wait: sixty a second; the others are refused at once."""
    full = ask_for_more(whole.address, 24, 8.0, pause=0.2)
    over = ask_for_more(whole.address, 90, 8.0, pause=0.2)
    admitted, refused = len(over.by_status[200]), len(over.by_status[429])
    normal, quick = full.quantile(200, 0.99), over.quantile(200, 0.99)
    middle, late = over.quantile(429, 0.5), over.quantile(429, 0.99)
    figure(
        f"five times the load: of {(admitted + refused) / 8:.0f} a second {admitted / 8:.0f} served, "
        f"p99 {quick:.3f} s (just full: {normal:.3f} s); refused in {middle:.3f} s, p99 {late:.3f} s"
    )
    assert not full.failed + over.failed, (full.failed + over.failed)[:5]
    assert set(full.by_status) | set(over.by_status) == {200, 429}
    assert admitted + refused > 5 * admitted
    assert quick < KEPT * normal
    assert late < REFUSED


def test_a_thousand_idle_and_two_hundred_slow_clients_cost_nobody(whole: Pair, figure: Figure) -> None:
    with everybody(whole) as load, held(whole.address, 1000, 200) as slow:
        began = time.monotonic()
        while left := sum(not hung_up(connection) for connection in slow):
            assert time.monotonic() < began + 20, f"{left} slow clients hold on"
            time.sleep(0.2)
        took = time.monotonic() - began
        time.sleep(SETTLE)
    tell(figure, f"1,000 idle clients, 200 slow ones cut after {took:.1f} s", load.report)
    load.report.require_whole(at_least=500)


def test_a_wire_that_turns_long_and_lossy_cuts_no_stream(whole: Pair, figure: Figure) -> None:
    """50 ms there and back, 2 percent lost each way; checks are still those of a hall."""
    with whole.load(*REPLAYED, "words:grpc*2", "sse:http*2") as load, Wire(whole.servers[2], **LONG) as wire:
        time.sleep(15)
    tell(figure, f"{wire.lost} of {wire.carried} frames lost, 50 ms, checks as in a hall", load.report)
    assert wire.lost > 100
    load.report.require_whole(at_least=500)


def test_a_long_and_lossy_wire_that_was_measured_loses_nothing(whole: Pair, figure: Figure) -> None:
    """A server that joins is measured, and checks follow. TCP itself needs minutes for 10 MB there."""
    clients = (*REPLAYED, *(kind for kind in HELD if not kind.startswith("huge")))
    with Wire(whole.servers[2], **LONG) as wire:
        whole.operator.run("drain", "gpu03")
        whole.operator.run("undrain", "gpu03")
        assert "inter 2000ms" in whole.operator.run("router", "config", "main").stdout
        with whole.load(*clients) as load:
            time.sleep(20)
    tell(figure, f"{wire.lost} of {wire.carried} frames lost, 50 ms, checks that know it", load.report)
    load.report.require_whole(at_least=500)
