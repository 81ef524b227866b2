"""What clients feel when a Triton is killed or hangs under load: failed requests and the longest one."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from functools import partial

from benchmarks.clients import Clients, Tally
from benchmarks.cluster import LocalCluster, local_cluster
from benchmarks.peers import Target, ours, peers
from benchmarks.work import Aim, Section, Work, say

BEFORE, AFTER_KILL, HANG = 1.0, 3.0, 4.0  # seconds of load
SETTLE = 3.0  # seconds in which the checks of every router see a server that came back


def run(work: Work) -> list[Section]:
    """Kill and stop one of two Tritons, in turn, behind each router in turn."""
    section = Section(
        "faults",
        "Faults: a server killed or hung under load",
        "Eight HTTP and eight gRPC clients that check every answer, each pausing 10 ms between requests; one "
        "of two Tritons gets SIGKILL (and is started again by distctl's supervisor) or SIGSTOP for "
        f"{HANG:g} s. {work.rounds} kills and {max(1, work.rounds // 2)} stops for each router, in turn. "
        "Failed: no answer within 10 s, an error, or a wrong answer.",
        ["fault", "router", "times", "requests", "failed", "longest request, ms (worst)", "each time, ms"],
    )
    with (
        local_cluster(work.folder / "cluster") as cluster,
        peers(cluster, work.folder / "peers", tuned=True) as others,
    ):
        targets = [ours(cluster), *others]
        for fault, times in (("SIGKILL", work.rounds), ("SIGSTOP", max(1, work.rounds // 2))):
            seen: dict[str, list[Tally]] = {target.name: [] for target in targets}
            for number in range(times):
                for target in targets:
                    seen[target.name].append(_once(cluster, target, fault, number))
            section.rows += [_row(fault, name, tallies) for name, tallies in seen.items()]
            _aims(section, fault, seen["distctl"])
    section.notes.append(
        "Behind a router that has no check with a short interval, or none that looks at hung servers, every "
        "client waits until the hung server goes on: there the longest request is the length of the hang."
    )
    return [section]


def _once(cluster: LocalCluster, target: Target, fault: str, number: int) -> Tally:
    cluster.wait_ready()
    time.sleep(SETTLE)
    node = cluster.nodes[number % len(cluster.nodes)]
    event: Callable[[], object] = partial(os.kill, cluster.server_pid(node), signal.SIGKILL)
    after = AFTER_KILL
    if fault == "SIGSTOP":
        event, after = partial(_hang, cluster.server_pid(node)), 0.5
    tally = asyncio.run(Clients(target.http, target.grpc).during(event, before=BEFORE, after=after))
    failed = f"{tally.failed} of {tally.requests} failed"
    say(f"{fault} behind {target.name}: {failed}, longest {tally.longest:.3f} s")
    for word in sorted({text for _, text in tally.failures})[:3]:
        say(f"  {word[:150]}")
    return tally


def _hang(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(HANG)
    finally:
        os.kill(pid, signal.SIGCONT)


def _row(fault: str, name: str, tallies: list[Tally]) -> list[str]:
    return [
        fault,
        name,
        str(len(tallies)),
        str(sum(t.requests for t in tallies)),
        str(sum(t.failed for t in tallies)),
        f"{max(t.longest for t in tallies) * 1000:.0f}",
        ", ".join(f"{t.longest * 1000:.0f}" for t in tallies),
    ]


def _aims(section: Section, fault: str, tallies: list[Tally]) -> None:
    longest, failed = max(t.longest for t in tallies), sum(t.failed for t in tallies)
    limit = 0.2 if fault == "SIGKILL" else 0.8
    why = "the clients, the router and the server that starts again share the cores; see the times one by one"
    section.aims.append(Aim(f"failed requests at a {fault}", 0, failed))
    section.aims.append(Aim(f"longest request at a {fault}, s", limit, round(longest, 3), why=why))
    section.figures |= {
        f"{fault.lower()}_requests": sum(t.requests for t in tallies),
        f"{fault.lower()}_failed": failed,
        f"{fault.lower()}_longest_ms": round(longest * 1000),
    }
