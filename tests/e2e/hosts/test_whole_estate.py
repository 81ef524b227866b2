"""Three nodes, two routers behind one address, all kinds of clients at once: what each fault costs whom.

The contract: planned work loses nothing of any kind. A lost server loses what it alone could answer: open
sequences and streams, and bodies beyond `replay_limit`; a lost router its open connections. Each is told to
its client at once, and nothing is ever wrong.
"""

from __future__ import annotations

import contextlib
import json
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import certificates
import pytest
from command import Operator
from contract import require_contract
from crowd import ask_for_more, held, hung_up
from hosts import Hosts
from load import Http, Load, Report
from pair import Pair
from wire import Wire

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
LONG = {"delay": 0.025, "loss": 0.02}  # seconds and share, each way
REFUSED = 0.05  # seconds within which a request is refused
SLACK = 0.25  # seconds that a busy machine may add
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


def erring(estate: Pair, begun: float) -> set[str]:
    """The servers that the routers' own logs blame for what went wrong since an instant."""
    since = f"{time.time() - begun:.0f}s"
    said = estate.operator.run("logs", "main", "--errors", "--since", since, "-o", "json").stdout
    return {json.loads(line)["server"] for line in said.splitlines()}


def tell(figure: Figure, what: str, report: Report, lost: Counter[str] | None = None) -> None:
    kinds = Counter(name.partition("#")[0] for name in lost or ())
    held = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
    figure(f"{what}: {report}" + (f" (by contract: {held or 'none'})" if lost is not None else ""))


def test_a_killed_server_costs_what_it_alone_held(whole: Pair, figure: Figure) -> None:
    begun = time.time()
    with everybody(whole) as load:
        time.sleep(SETTLE)
        whole.servers[0].run("pkill -9 -x tritonserver")
        time.sleep(SETTLE)
        whole.operator.run("status", "--check", "--wait", "40s")
        time.sleep(SETTLE)
    tell(figure, "server SIGKILLed", load.report, require_contract(load.report, HELD))
    assert erring(whole, begun) <= {"gpu01/0"}, "what the other servers had went on"


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
    assert erring(whole, begun) <= {"gpu02/0"}, "what the other servers had went on"


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


def test_a_killed_router_costs_its_open_connections(whole: Pair, figure: Figure) -> None:
    holder, other = whole.holder(), whole.other()
    supervisor = "$(pgrep -f '[s]upervise .*router-main')"
    with everybody(whole, patient=True) as load:
        time.sleep(SETTLE)
        holder.run(f"kill -STOP {supervisor}")  # it is not started again at once
        holder.run("pkill -KILL -x haproxy")
        time.sleep(5)
        assert whole.holder() is other
        holder.run(f"kill -CONT {supervisor}")
        time.sleep(SETTLE)
    tell(figure, "router SIGKILLed", load.report, require_contract(load.report, (*REPLAYED, *HELD)))


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


def test_a_reload_every_second_for_a_minute_loses_nothing(whole: Pair, figure: Figure) -> None:
    """Of both routers; one of them with other time-outs, as `up` brings them."""
    with everybody(whole) as load:
        for second in range(60):
            began = time.monotonic()
            for place in whole.places:
                place.run("kill -USR2 $(pgrep -o -x haproxy)")
            if second == 30:
                whole.write(**ROUTER, replay_limit="64KiB")
                up = whole.operator.start("up", "-y")
            time.sleep(max(0.0, began + 1.0 - time.monotonic()))
        said = "".join(up.communicate(timeout=60))
    tell(figure, "reload every second for a minute", load.report)
    assert up.returncode == 0, said
    load.report.require_whole(at_least=2000)
    whole.write(**ROUTER)
    whole.operator.run("up", "-y")


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
    assert quick < 1.5 * normal + SLACK
    assert middle < REFUSED and late < REFUSED + SLACK


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


def test_another_certificate_loses_nothing(whole: Pair, figure: Figure, tmp_path: Path) -> None:
    folder, authority = whole.operator.folder, certificates.make("authority")
    trusted = tmp_path / "authority.pem"
    trusted.write_text(authority.pem)

    def renew() -> int:
        made = certificates.make("router", authority, address=whole.address)
        (folder / "router.crt").write_text(made.pem)
        (folder / "router.key").write_text(made.key)
        (folder / "router.key").chmod(0o600)
        whole.operator.run("up", "-y")
        return int(made.certificate.serial_number)

    whole.write(**ROUTER, tls={"certificate": "router.crt", "key": {"file": "router.key"}})
    renew()
    with everybody(whole, authority=trusted) as load:
        serials = [renew() for _ in range(2)]
        time.sleep(SETTLE)
    for place in whole.places:
        shown = ssl.get_server_certificate((place.address, 8000)).encode()
        assert certificates.x509.load_pem_x509_certificate(shown).serial_number == serials[-1]
    tell(figure, "two new certificates", load.report)
    load.report.require_whole(at_least=500)
    whole.write(**ROUTER)
    whole.operator.run("up", "-y")


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
