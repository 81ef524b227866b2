"""How long a fault lasts: under a controller, under supervisors alone, and behind nginx."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.clients import Clients, Tally
from benchmarks.cluster import LocalCluster, local_cluster
from benchmarks.controlled import Controller
from benchmarks.peers import Target, nginx, ours
from benchmarks.work import Aim, Section, Work, median, say, spread

LONGEST = 20.0  # seconds after which a fault counts as one that lasts
SETTLE = 3.0  # seconds in which every check sees a server that came back
AIM = 5.0  # seconds from a loss to its repair, beside Triton's own start
ALONE = "supervisors alone"
NGINX = "supervisors, nginx tuned"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to the cluster, and when that is over."""

    name: str
    strike: Callable[[LocalCluster], object]
    over: Callable[[LocalCluster], bool]


def run(work: Work) -> list[Section]:
    """Each fault once a round: with a controller, then without one and with nginx as the router."""
    section = Section(
        "healing",
        "Time to heal",
        "Two Tritons on this machine, eight HTTP and eight gRPC clients that check every answer. Healed: "
        "from the fault until the server or router that was struck answers ready again, Triton's own start "
        f"included; a fault that lasts {LONGEST:g} s counts as one that lasts. Supervisors restart what "
        "exits, as systemd's `Restart=always` does, and are what runs where no controller does. Crash: "
        "SIGKILL; dead: its supervisor too; hang: SIGSTOP. Failed: no answer within 10 s, an error, or a "
        "wrong answer.",
        ["fault", "under", "times", "healed after, s", "requests", "failed", "longest request, ms"],
    )
    with local_cluster(work.folder / "cluster") as cluster:
        start = _own_start(cluster)
        with _controllers(cluster, work.folder) as (leader, second):
            for fault in (CRASH, DEAD, HANG, ROUTER):
                healed = _measured(
                    section, fault, "distctl's controller", cluster, ours(cluster), work.rounds
                )
                _aim(section, fault, healed, start)
            _lead(section, leader, second)
        for fault in (CRASH, HANG, ROUTER):
            _measured(section, fault, ALONE, cluster, ours(cluster), 1)
        with nginx(cluster.servers, work.folder / "nginx", cluster.base + 30, tuned=True) as target:
            for fault in (CRASH, HANG):
                _measured(section, fault, NGINX, cluster, target, 1)
    section.notes += [
        f"Triton's own start with its one model, by a supervisor: {start:.1f} s.",
        "A link that is cut needs machines of their own: tests/e2e/hosts/test_healing_hosts.py prints it.",
        "A controller that is gone harms no request; what it would heal waits for the next one.",
    ]
    return [section]


def _struck(cluster: LocalCluster) -> str:
    return cluster.nodes[-1]


def _signal(number: int, cluster: LocalCluster) -> None:
    os.kill(cluster.server_pid(_struck(cluster)), number)


def _kill_for_good(cluster: LocalCluster) -> None:
    os.kill(cluster.supervisor_pid(_struck(cluster)), signal.SIGKILL)
    _signal(signal.SIGKILL, cluster)


def _kill_router(cluster: LocalCluster) -> None:
    os.kill(cluster.router_pid(), signal.SIGKILL)


def _answers(port: int, path: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=1) as answer:
        return bool(answer.status == 200)
    return False


def _server_answers(cluster: LocalCluster) -> bool:
    return _answers(cluster.servers[-1][0], "/v2/models/floats/ready")


def _router_answers(cluster: LocalCluster) -> bool:
    return _answers(cluster.router[0], "/v2/health/ready")


CRASH = Fault("crash", partial(_signal, signal.SIGKILL), _server_answers)
DEAD = Fault("dead", _kill_for_good, _server_answers)
HANG = Fault("hang", partial(_signal, signal.SIGSTOP), _server_answers)
ROUTER = Fault("router", _kill_router, _router_answers)


def _own_start(cluster: LocalCluster) -> float:
    """Seconds from a kill until Triton answers ready again, its supervisor waiting for nothing."""
    return _healed(CRASH, cluster) or LONGEST


def _healed(fault: Fault, cluster: LocalCluster) -> float | None:
    """Strike, and wait until it is over: the seconds, None when it lasts."""
    begun = time.monotonic()
    fault.strike(cluster)
    while fault.over(cluster):
        if time.monotonic() - begun > LONGEST:
            raise RuntimeError(f"{fault.name}: it does not show")
        time.sleep(0.02)
    while time.monotonic() - begun < LONGEST:
        if fault.over(cluster):
            return time.monotonic() - begun
        time.sleep(0.05)
    return None


def _measured(
    section: Section, fault: Fault, under: str, cluster: LocalCluster, target: Target, times: int
) -> list[float]:
    """Add a row: a fault so many times under load."""
    healed: list[float] = []
    tallies: list[Tally] = []
    for _ in range(times):
        cluster.wait_ready()
        time.sleep(SETTLE)
        took: list[float | None] = []
        event = partial(_noted, took, fault, cluster)
        tallies.append(asyncio.run(Clients(target.http, target.grpc).during(event, before=1.0, after=1.0)))
        healed += [seconds for seconds in took if seconds is not None]
        if None in took:
            _help(fault, cluster)
    lasted = times - len(healed)
    how = spread(healed, 1) if healed else ""
    how += f"{', ' if how else ''}{lasted} of {times} last" if lasted else ""
    requests, failed = sum(t.requests for t in tallies), sum(t.failed for t in tallies)
    longest = f"{max(t.longest for t in tallies) * 1000:.0f}"
    section.rows.append([fault.name, under, str(times), how, str(requests), str(failed), longest])
    say(f"{fault.name} under {under}: healed after {how}; {failed} of {requests} failed")
    return healed


def _noted(took: list[float | None], fault: Fault, cluster: LocalCluster) -> None:
    took.append(_healed(fault, cluster))


def _help(fault: Fault, cluster: LocalCluster) -> None:
    """End a fault that nobody heals."""
    if fault.name == "hang":
        _signal(signal.SIGCONT, cluster)
    else:
        cluster.cli("up", "-y")


def _aim(section: Section, fault: Fault, healed: list[float], start: float) -> None:
    """The worst case counts; Triton's own start is not ours."""
    own = 0.0 if fault.name == "router" else start
    worst = max(healed, default=LONGEST) - own
    why = (
        "it is looked at twice and asked on its own node before it is killed" if fault.name == "hang" else ""
    )
    section.aims.append(
        Aim(f"{fault.name}: seconds beside Triton's own start", AIM, round(worst, 1), why=why)
    )
    section.figures[f"{fault.name}_s"] = round(median(healed), 1)


@contextmanager
def _controllers(cluster: LocalCluster, folder: Path) -> Iterator[tuple[Controller, Controller]]:
    """One that leads, and one that stands by."""
    leader = Controller(cluster, folder / "leader.jsonl")
    try:
        leader.wait("nothing is to be done")
        second = Controller(cluster, folder / "second.jsonl")
        try:
            second.wait("stands by")
            yield leader, second
        finally:
            second.close()
    finally:
        leader.close()


def _lead(section: Section, leader: Controller, second: Controller) -> None:
    """The time until another controller leads."""
    leader.process.kill()
    took = second.wait("this controller leads")
    section.rows.append(["controller", "a second one", "1", f"{took:.1f}", "", "", ""])
    section.aims.append(
        Aim("seconds until observing goes on after a controller's death", AIM, round(took, 1))
    )
    section.figures["controller_s"] = round(took, 1)
