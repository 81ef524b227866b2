"""Two servers, one three times as slow: how long requests take under each policy, weights measured or not."""

from __future__ import annotations

import http.client
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.work import PORTS, Aim, Section, Work, environment, median, say
from distctl.adapters.haproxy import HaproxyRouter
from distctl.adapters.local import LocalConnector
from distctl.cluster.router import Pool, RouterView, Slot, SlotState
from distctl.cluster.snapshot import Service
from distctl.cluster.spec import Connection, Node, Policy, RouterId, ServerId
from distctl.commands.haproxy.render import SLOW_START
from distctl.facts.triton_answers import parse_statistics
from distctl.policy.weights import USUAL, weights

FAST, SLOW, AT_ONCE, CLIENTS = 0.020, 0.060, 4, 12
MODEL = "paced"
WEIGHED = "least-load, weights measured"
POLICIES: dict[str, Policy] = {
    "round-robin": "round-robin",
    "two-choices": "two-choices",
    "least-load, equal weights": "least-load",
    WEIGHED: "least-load",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """One round of load: the milliseconds of each request, and how many there were in a second."""

    milliseconds: Sequence[float]
    rate: float

    def percentile(self, part: int) -> float:
        """So many of a hundred requests took no longer."""
        return statistics.quantiles(self.milliseconds, n=100)[part - 1]


def run(work: Work) -> list[Section]:
    """Every policy over the same two servers, in turn."""
    seen: dict[str, list[Seen]] = {name: [] for name in POLICIES}
    with _servers() as slots, _router(work.folder / "router", slots) as (router, view):
        router.apply(view, deadline=20)
        _load(view, SLOW_START + 1.0)  # servers that just came up are spared; and what is to be measured
        for _ in range(work.rounds):
            for name, policy in POLICIES.items():
                weighed = _weighed(slots) if name == WEIGHED else slots
                router.apply(replace(view, pools=(Pool(MODEL, weighed, policy=policy),)), deadline=20)
                _load(view, 0.5)
                seen[name].append(_load(view, work.seconds))
                say(f"{name}: p99 {seen[name][-1].percentile(99):.0f} ms")
    return [_section(work, seen)]


@contextmanager
def _servers() -> Iterator[tuple[Slot, ...]]:
    found, slots = [], []
    try:
        for number, seconds in enumerate((FAST, SLOW)):
            port = PORTS + 900 + 2 * number
            words = [sys.executable, "-m", "benchmarks.paced", str(port), str(seconds), str(AT_ONCE)]
            found.append(subprocess.Popen(words, env=environment()))
            slots.append(Slot(ServerId(f"n{number}", "0"), "127.0.0.1", port, port + 1, SlotState.READY))
        yield tuple(slots)
    finally:
        for process in found:
            process.kill()
            process.wait()


@contextmanager
def _router(folder: Path, slots: tuple[Slot, ...]) -> Iterator[tuple[HaproxyRouter, RouterView]]:
    connector = LocalConnector(Node("here", Connection.LOCAL, "127.0.0.1", "127.0.0.1"))
    id = RouterId("unequal", "here")
    ports = (PORTS + 910, PORTS + 911, PORTS + 912)
    view = RouterView(id, "benchmark", "127.0.0.1", *ports, pools=(Pool(MODEL, slots),))
    router = HaproxyRouter(
        connector,
        id,
        str(folder),
        lambda script, tried, deadline: connector.run(script, tried=tried, deadline=deadline),
    )
    try:
        yield router, view
    finally:
        router.stop(deadline=1.0)


def _weighed(slots: tuple[Slot, ...]) -> tuple[Slot, ...]:
    """The slots with the weights that follow from what the servers say of themselves."""
    measured = {slot.server: _statistics(slot.http_port) for slot in slots}
    before = {slot.server: USUAL for slot in slots}
    after = {w.server: w.after for w in weights(MODEL, measured, before)}
    return tuple(replace(slot, weight=after.get(slot.server, USUAL)) for slot in slots)


def _statistics(port: int) -> Service:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/models/stats", timeout=5) as answer:
        return parse_statistics(answer.read())[MODEL]


def _load(view: RouterView, seconds: float) -> Seen:
    """Clients in a closed loop for so long."""
    until, took = time.perf_counter() + seconds, list[float]()
    threads = [threading.Thread(target=_client, args=(view.http_port, until, took)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Seen(took, len(took) / seconds)


def _client(port: int, until: float, took: list[float]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    while (began := time.perf_counter()) < until:
        connection.request("POST", f"/v2/models/{MODEL}/infer", b"{}")
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"status {answer.status}")
        took.append((time.perf_counter() - began) * 1000)
    connection.close()


def _section(work: Work, seen: dict[str, list[Seen]]) -> Section:
    section = Section(
        "unequal",
        "Unequal servers: one three times as slow",
        f"Two servers that need {FAST * 1000:.0f} and {SLOW * 1000:.0f} ms and do {AT_ONCE} at once, "
        f"{CLIENTS} clients in a closed loop, {work.rounds} rounds of {work.seconds} s, the policies in "
        "turn, medians. The weights are those that `up` sets from what the servers say a request cost them.",
        ["policy", "requests/s", "to round-robin", "p50 ms", "p95 ms", "p99 ms"],
    )
    base = median([one.rate for one in seen["round-robin"]])
    for name, rounds in seen.items():
        rate = median([one.rate for one in rounds])
        times = [f"{median([one.percentile(p) for one in rounds]):.0f}" for p in (50, 95, 99)]
        section.rows.append([name, f"{rate:.0f}", f"{rate / base:.2f}", *times])
    got = median([one.percentile(99) for one in seen[WEIGHED]])
    section.aims.append(Aim("p99 with unequal servers, no weight set by hand, ms", 70, got))
    section.figures["unequal_p99_ms"] = got
    return section
