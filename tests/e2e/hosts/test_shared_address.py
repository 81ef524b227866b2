"""One address for two routers: real VRRP between test hosts, and who answers there when one of them is lost.

A probe asks for an answer over a new connection every few milliseconds, so that what it misses is how
long nobody had the address.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType, TracebackType

import pytest
from command import Operator
from hosts import Host, Hosts
from pair import LONGEST, Pair

pytestmark = pytest.mark.hosts

INTERVAL = 0.3  # seconds, the default
DEAD = 3 * INTERVAL + INTERVAL + 0.6  # three advertisements, the skew of a fourth, and a busy machine's share
MODELS = {name: {"replicas": 1} for name in ("digits", "simple", "textgen", "simple_sequence")}
CLIENTS = ("digits:http*2", "simple:grpc*2")
SOURCE_PORT = 29_876  # below those that Linux gives to clients
Figure = Callable[[str], None]


class Probe:
    """Requests over new connections, one after the other; `gap` is the longest time between two answers."""

    def __init__(self, host: str) -> None:
        self._host, self._end, self.failed = host, threading.Event(), 0
        self.answered: list[float] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Probe:
        self._thread.start()
        time.sleep(0.3)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join(10)

    @property
    def gap(self) -> float:
        """Seconds."""
        pairs = zip(self.answered, self.answered[1:], strict=False)
        return max((later - earlier for earlier, later in pairs), default=float("inf"))

    def _run(self) -> None:
        while not self._end.wait(0.01):
            connection = http.client.HTTPConnection(self._host, 8000, timeout=0.25)
            try:
                ask(connection, {"Connection": "close"})
                self.answered.append(time.monotonic())
            except (OSError, http.client.HTTPException):
                self.failed += 1
            finally:
                connection.close()


@pytest.fixture(scope="module")
def pair(machines: Hosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """One server, two routers on machines of their own, up."""
    operator = Operator(machines, tmp_path_factory.mktemp("pair"))
    pair = Pair(operator, [machines.add("lb01"), machines.add("lb02")], [machines.add("gpu01")], MODELS)
    pair.write()
    operator.run("up", "-y")
    yield pair
    operator.run("down", "-y")
    for place in pair.places:
        assert not place.run(f"ip -o addr show to {pair.address}").stdout
        assert not place.run("pgrep keepalived", check=False).stdout


def ask(connection: http.client.HTTPConnection, headers: Mapping[str, str] = MappingProxyType({})) -> None:
    """One request, rightly answered."""
    inputs = [
        {"name": n, "shape": [1, 16], "datatype": "INT32", "data": [1] * 16} for n in ("INPUT0", "INPUT1")
    ]
    connection.request("POST", "/v2/models/simple/infer", json.dumps({"inputs": inputs}), dict(headers))
    said = json.loads(connection.getresponse().read())
    assert said["outputs"][0]["data"] == [2] * 16


@contextmanager
def kept(host: str) -> Iterator[http.client.HTTPConnection]:
    """A connection from always the same port."""
    connection = http.client.HTTPConnection(host, 8000, timeout=5, source_address=("", SOURCE_PORT))
    with closing(connection):
        yield connection


def signal(host: Host, name: str, how: str) -> None:
    host.run(f"pkill -{how} -x {name}")


def neighbour(address: str) -> str:
    """Whom this machine sends to when it sends to an address."""
    listed = subprocess.run(["ip", "neigh", "show", address], capture_output=True, text=True, check=True)
    return listed.stdout.split("lladdr ")[1].split()[0]


def require_answers(pair: Pair) -> None:
    """Everything is answered, of new connections to the address."""
    with pair.load(*CLIENTS) as load:
        time.sleep(0.7)
    load.report.require_whole(at_least=20)


def require_drain_loses_nothing(pair: Pair, figure: Figure, what: str) -> None:
    """Old connections and streams go on at the place that gave the address up; new ones go to the other."""
    pair.standby()
    holder, other = pair.holder(), pair.other()
    with pair.load(*CLIENTS, "words:grpc", "sequence:http") as load, Probe(pair.address) as probe:
        said = pair.operator.run("drain", holder.name).said
        assert pair.holder() is other
        time.sleep(1.0)
    figure(f"{what}: {probe.gap:.2f} s without an answer, {load.report}")
    assert f"give up address {pair.address}" in said
    assert not probe.failed
    load.report.require_whole()
    pair.operator.run("undrain", holder.name)
    assert pair.holder() is other
    assert not holder.run(f"ip -o addr show to {pair.address}").stdout, "nothing is open there any more"


def test_one_place_has_the_address_and_up_again_changes_nothing(pair: Pair) -> None:
    holder = pair.holder()
    (seen,) = pair.operator.status()["addresses"]
    assert seen["observed"]["holders"] == [holder.name]
    assert seen["observed"]["standby"] == [pair.other().name]
    assert "0 to add, 0 to update, 0 to remove" in pair.operator.run("plan").stdout
    require_answers(pair)


def test_the_address_leaves_a_router_that_is_killed(pair: Pair, figure: Figure) -> None:
    holder, other = pair.holder(), pair.other()
    with Probe(pair.address) as probe:
        holder.run("kill -STOP $(pgrep -f '[s]upervise .*router-main')")  # it is not started again at once
        signal(holder, "haproxy", "KILL")
        time.sleep(2.5)
    figure(f"router SIGKILLed: {probe.gap:.2f} s without an answer, {probe.failed} new connections failed")
    assert pair.holder() is other
    assert neighbour(pair.address) == other.run("cat /sys/class/net/eth0/address").stdout.strip()
    assert probe.gap < 2.0
    require_answers(pair)
    holder.run("kill -CONT $(pgrep -f '[s]upervise .*router-main')")
    pair.operator.run("status", "--check", "--wait", "20s")
    assert pair.holder() is other, "an address goes where it must, and not back"


def test_the_address_leaves_a_router_that_hangs(pair: Pair, figure: Figure) -> None:
    holder, other = pair.holder(), pair.other()
    with Probe(pair.address) as probe:
        signal(holder, "haproxy", "STOP")
        time.sleep(3.5)
    figure(f"router hung: {probe.gap:.2f} s without an answer, {probe.failed} new connections failed")
    assert pair.holder() is other
    assert probe.gap < 3.0
    require_answers(pair)
    signal(holder, "haproxy", "CONT")


def test_the_address_leaves_a_host_that_is_cut_off(pair: Pair, figure: Figure) -> None:
    pair.standby()
    holder, other = pair.holder(), pair.other()
    with Probe(pair.address) as probe:
        holder.cut()
        time.sleep(2.5)
    figure(f"host cut off: {probe.gap:.2f} s without an answer, {probe.failed} new connections failed")
    assert pair.has(other)
    assert probe.gap < DEAD
    require_answers(pair)
    holder.heal()
    assert pair.holder() is other


def test_a_drain_moves_the_address_first_and_loses_nothing(pair: Pair, figure: Figure) -> None:
    require_drain_loses_nothing(pair, figure, "place drained")


def test_a_kept_connection_outlives_moves_though_its_port_was_used_before(pair: Pair) -> None:
    """The place that takes the address still remembers (TIME_WAIT) an earlier connection from that port."""
    pair.standby()
    first, second = pair.holder(), pair.other()
    with kept(pair.address) as earlier:
        ask(earlier, {"Connection": "close"})
    pair.operator.run("drain", first.name)
    pair.operator.run("undrain", first.name)
    pair.standby()
    with kept(pair.address) as connection:
        ask(connection)
        pair.operator.run("drain", second.name)
        assert pair.holder() is first
        assert f":{SOURCE_PORT}" in first.run(f"ss -Htn state time-wait src {pair.address}").stdout
        ask(connection)
    pair.operator.run("undrain", second.name)


def test_what_a_killed_keepalived_leaves_behind_is_taken_away(pair: Pair) -> None:
    pair.standby()
    holder, other = pair.holder(), pair.other()
    supervisor = "$(pgrep -f '[s]upervise .*keepalived-main')"
    holder.run(f"kill -STOP {supervisor}")
    for how in ("STOP", "KILL"):  # its child takes the address away when it sees its parent die
        signal(holder, "keepalived", how)
    assert pair.has(holder), "nobody is left who would take it away"
    until = time.monotonic() + LONGEST
    while not pair.has(other):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert pair.operator.status()["addresses"][0]["observed"]["state"].startswith("split")
    assert pair.operator.run("doctor", status=1).said.count("split") == 1
    holder.run(f"kill -CONT {supervisor}")
    pair.standby()
    assert pair.holder() is other


def test_new_settings_are_told_without_letting_go_of_the_address(pair: Pair) -> None:
    holder = pair.holder()
    pair.write(keepalived={"interval": "500ms"})
    with pair.load(*CLIENTS) as load:
        said = pair.operator.run("up", "-y").stdout
    load.report.require_whole()
    assert said.count("share address") >= 2
    assert pair.holder() is holder


@pytest.mark.nightly
def test_under_systemd_a_place_comes_back_by_itself_and_takes_nothing(
    machines: Hosts, tmp_path: Path, figure: Figure
) -> None:
    places = [machines.add(name, systemd=True) for name in ("lb03", "lb04")]
    pair = Pair(Operator(machines, tmp_path), places, [machines.add("gpu02")], MODELS)
    pair.write(keepalived={"virtual_router_id": 99})
    pair.operator.run("up", "-y")
    pair.standby()
    holder, other = pair.holder(), pair.other()
    with Probe(pair.address) as probe:
        holder.power_cut()
        time.sleep(2.5)
    figure(f"host without power: {probe.gap:.2f} s without an answer, {probe.failed} new connections failed")
    assert pair.has(other)
    assert probe.gap < DEAD
    require_answers(pair)
    holder.boot()
    pair.standby()
    assert pair.holder() is other
    assert "0 to add, 0 to update, 0 to remove" in pair.operator.run("plan").stdout
    pair.operator.run("down", "-y")
    for place in places:
        assert not place.run("systemctl list-unit-files --no-legend 'distctl-*'", check=False).stdout
