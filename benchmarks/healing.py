"""How long a fault lasts: under a controller, under systemd alone, and behind nginx with passive checks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.clients import Clients, Tally
from benchmarks.controlled import Controller
from benchmarks.machines import (
    PATIENCE,
    REPLICAS,
    RESCHEDULE,
    ROUTER,
    SERVER,
    Machines,
    machines,
    routes,
    run_by_distctl,
    run_by_systemd,
    serves,
)
from benchmarks.others import unavailable
from benchmarks.work import Aim, Section, Work, median, say, spread

if TYPE_CHECKING:
    from host import Host

LONGEST = 20.0  # seconds after which a fault that nobody has mended counts as one that lasts
SETTLE = 3.0  # seconds in which every check sees a server that came back
SLOW = 1.0  # seconds after which an answer counts as felt
AIM = 5.0  # seconds from a loss to its repair, beside Triton's own start
DISTCTL, ALONE, NGINX = "distctl", "systemd alone", "systemd and nginx"
HOW = f"""\
Test hosts of this machine with a real systemd: a router, two nodes that serve a model, one to \
spare; eight HTTP and eight gRPC clients that check every answer. distctl: a controller, its router, \
`reschedule_after: {RESCHEDULE}s`. systemd alone: Triton as a unit with `Restart=always`, which its \
clients ask directly. systemd and nginx: two such units behind nginx with passive checks \
(`max_fails=1 fail_timeout=10s`, a request is tried again elsewhere, {PATIENCE} s for an answer), \
itself such a unit. Crash: SIGKILL; hang: SIGSTOP; cut: the node's link; router: SIGKILL of all its \
processes; controller: SIGKILL, while another one stands by. Healed: from the fault until the server \
or router that was struck answers again (cut: until the replica is ready elsewhere), Triton's own \
start included; never: not within {LONGEST:g} s. Felt: from the fault until the last request ended \
that failed or took more than {SLOW:g} s. Failed: no answer within 10 s, an error, or a wrong \
answer."""


def _nothing(_: Host) -> None:
    """What is to be undone where a fault ends by itself."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to a machine, when that is over, and what ends it where nobody does."""

    name: str
    strike: Callable[[Host], object]
    over: Callable[[Machines, Host], bool]
    undo: Callable[[Host], object] = _nothing
    patience: float = LONGEST  # seconds in which distctl is to have mended it


@dataclass(slots=True)
class Seen:
    """What came of a fault, time by time: seconds until it was over (None: it lasted), what clients saw."""

    healed: list[float | None] = field(default_factory=list)
    felt: list[float] = field(default_factory=list)
    tallies: list[Tally] = field(default_factory=list)

    @property
    def times(self) -> list[float]:
        """Those that were over."""
        return [seconds for seconds in self.healed if seconds is not None]


def _elsewhere(found: Machines, struck: Host) -> bool:
    return sum(serves(node) for node in found.nodes if node is not struck) >= REPLICAS


CRASH = Fault("crash", lambda host: host.run("pkill -9 -x tritonserver"), lambda _, struck: serves(struck))
HANG = Fault(
    "hang",
    lambda host: host.run("pkill -STOP -x tritonserver"),
    lambda _, struck: serves(struck),
    lambda host: host.run("pkill -CONT -x tritonserver"),
)
ROUTED = Fault(
    "router", lambda host: host.run("pkill -9 -x 'haproxy|nginx'"), lambda _, struck: routes(struck)
)
CUT = Fault("cut", lambda host: host.cut(), _elsewhere, lambda host: host.heal(), RESCHEDULE + 45.0)
WHY = {
    ("hang", ALONE): "systemd looks at processes: one that is stopped is there, so nobody ends it, and its "
    "clients wait for as long as it hangs.",
    (
        "hang",
        NGINX,
    ): "systemd does not see a hang, and nginx cannot start a server: it leaves it out for 10 s "
    f"after each request that it waited {PATIENCE} s for, and then tries it again with another one.",
    ("cut", ALONE): "systemd knows its own machine alone: nobody starts the replica elsewhere.",
    ("cut", NGINX): "nginx sends to the other server, and nobody starts the replica elsewhere: what is left "
    "carries the load.",
}


def run(work: Work) -> list[Section]:
    """Each fault under each of them. Raises RuntimeError where test hosts cannot be made."""
    if why := unavailable(("ssh", "scp", "curl", "nginx")):
        raise RuntimeError(why)
    section = Section(
        "healing",
        "Time to heal",
        HOW,
        ["fault", "under", "times", "healed after, s", "felt for, s", "requests", "failed", "longest, ms"],
    )
    with machines(work) as found:
        with run_by_distctl(found):
            ours = _under_distctl(section, found, work)
        with run_by_systemd(found):
            alone = _under_systemd(section, found, work)
    section.rows.sort(key=lambda row: ["crash", "hang", "cut", "router", "controller"].index(row[0]))
    for name, seen in ours.items():
        _aim(section, name, seen, median(alone["crash"].times))
    return [section]


def _under_distctl(section: Section, found: Machines, work: Work) -> dict[str, Seen]:
    with closing(Controller(found, work.folder / "leader.jsonl")) as leader:
        leader.wait("this controller leads")
        seen = {
            fault.name: _measured(section, fault, DISTCTL, found, times)
            for fault, times in ((CRASH, work.rounds), (HANG, work.rounds), (ROUTED, work.rounds), (CUT, 1))
        }
        with closing(Controller(found, work.folder / "second.jsonl")) as second:
            second.wait("stands by")
            leader.process.kill()
            took = second.wait("this controller leads")
    say(f"controller killed: the next one leads after {took:.1f} s")
    section.rows.append(["controller", DISTCTL, "1", f"{took:.1f}", "0", "", "", ""])
    section.notes.append("A controller that is gone harms no request; what it would heal waits for the next.")
    aim = "seconds until observing goes on after a controller's death"
    section.aims.append(Aim(aim, AIM, round(took, 1)))
    section.figures["controller_s"] = round(took, 1)
    return seen


def _under_systemd(section: Section, found: Machines, work: Work) -> dict[str, Seen]:
    plans = ((CRASH, work.rounds), (HANG, 1), (CUT, 1))
    alone = {fault.name: _measured(section, fault, ALONE, found, times) for fault, times in plans}
    for fault, times in (*plans, (ROUTED, work.rounds)):
        _measured(section, fault, NGINX, found, times)
    return alone


def _measured(section: Section, fault: Fault, under: str, found: Machines, times: int) -> Seen:
    """Add a row: a fault so many times under load."""
    seen, longest = Seen(), fault.patience if under == DISTCTL else LONGEST
    for _ in range(times):
        found.wait_whole()
        time.sleep(SETTLE)
        _once(seen, fault, under, found, longest)
    never = len(seen.healed) - len(seen.times)
    how = spread(seen.times, 1) if seen.times else "never"
    if never:
        section.notes.append(f"{fault.name} under {under}: {WHY.get((fault.name, under), 'it lasted')}")
    requests, failed = sum(t.requests for t in seen.tallies), sum(t.failed for t in seen.tallies)
    slowest = f"{max(t.longest for t in seen.tallies) * 1000:.0f}"
    felt = "to the end" if never and max(seen.felt) >= longest else f"{max(seen.felt):.1f}"
    section.rows.append([fault.name, under, str(times), how, felt, str(requests), str(failed), slowest])
    say(f"{fault.name} under {under}: healed {how}, felt {felt}; {failed} of {requests} failed")
    return seen


def _once(seen: Seen, fault: Fault, under: str, found: Machines, longest: float) -> None:
    struck = found.router if fault is ROUTED else found.serving()[-1]
    asked, port = (struck, SERVER) if under == ALONE else (found.router, ROUTER)
    begun = time.monotonic() + 1.0
    event = partial(_heal, seen, fault, found, struck, longest)
    tally = asyncio.run(Clients(port, port + 1, asked.address).during(event, before=1.0, after=1.0))
    fault.undo(struck)
    bad = [at for at, _ in tally.failures] + [at for at, took in tally.answers if took > SLOW]
    seen.felt.append(max((at - begun for at in bad), default=0.0))
    seen.tallies.append(tally)


def _heal(seen: Seen, fault: Fault, found: Machines, struck: Host, longest: float) -> None:
    """Strike, and wait until it is over or counts as one that lasts."""
    begun = time.monotonic()
    fault.strike(struck)
    while fault.over(found, struck):
        if time.monotonic() - begun > LONGEST:
            raise RuntimeError(f"{fault.name}: it does not show")
        time.sleep(0.02)
    until = begun + longest
    while time.monotonic() < until:
        if fault.over(found, struck):
            seen.healed.append(time.monotonic() - begun)
            return
        time.sleep(0.05)
    seen.healed.append(None)


def _aim(section: Section, name: str, seen: Seen, start: float) -> None:
    """The worst case counts; Triton's own start and the wait that was asked for are not ours."""
    own = {"router": 0.0, "cut": start + RESCHEDULE}.get(name, start)
    worst = max(seen.times, default=LONGEST) - own
    why = "it is looked at twice and asked on its own node before it is killed" if name == "hang" else ""
    beside = {"router": "", "cut": f" beside Triton's own start and the {RESCHEDULE} s"}
    text = f"{name}: seconds{beside.get(name, ' beside what systemd alone takes for a crash')}"
    section.aims.append(Aim(text, AIM, round(worst, 1), why=why))
    section.figures[f"{name}_s"] = round(median(seen.times), 1)
