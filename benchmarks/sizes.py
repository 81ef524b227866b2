"""distctl's router beside other proxies over equal work: from 16 to 256 clients, from 64 bytes to 10 MB."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from benchmarks.fixed import SERVERS, answering, router, view
from benchmarks.load import Measured, Request, rest
from benchmarks.peers import WHERE, Target, caddy, nginx_target, plain_haproxy
from benchmarks.work import PORTS, Aim, Section, Work, median, say
from distctl.adapters.haproxy import bundled_executable

OURS, PLAIN = "distctl", "HAProxy, plain"
CASES = (
    ("64 B", 64, 16),
    ("64 B", 64, 64),
    ("64 B", 64, 256),
    ("1 MB", 1_000_000, 16),
    ("10 MB", 10_000_000, 16),
)
Key = tuple[str, int, str]


def run(work: Work) -> list[Section]:
    """Every router in turn, case after case, round after round."""
    found: dict[Key, list[Measured]] = {}
    with answering(work.folder), ExitStack() as stack:
        targets = _targets(work, stack)
        for label, size, clients in CASES:
            request = Request(b"0" * size)
            for target in targets:
                rest(target, clients, 1, work.folder, request)  # connections and caches, not counted
            for _ in range(work.rounds):
                for target in targets:
                    measured = rest(target, clients, work.seconds, work.folder, request)
                    found.setdefault((label, clients, target.name), []).append(measured)
                    say(f"{label} {clients} clients: {target.name} {measured.rate:.0f}/s")
    return [_section(work, targets, found)]


def _targets(work: Work, stack: ExitStack) -> list[Target]:
    binary, folder = str(bundled_executable()), work.folder
    ours = stack.enter_context(router(folder / "ours", view(OURS, PORTS + 940)))
    found = [
        Target("direct", *SERVERS[0]),
        ours,
        stack.enter_context(plain_haproxy(binary, SERVERS, folder / "plain", PORTS + 950)),
        stack.enter_context(nginx_target(SERVERS, folder / "nginx", PORTS + 960)),
    ]
    if shutil.which("caddy", path=WHERE):
        found.append(stack.enter_context(caddy(SERVERS, folder / "caddy", PORTS + 970)))
    return found


def _ratio(
    found: Mapping[Key, list[Measured]], case: tuple[str, int], names: Sequence[str], what: str
) -> float:
    one, other = (found[(*case, name)] for name in names)
    return median([getattr(a, what) / getattr(b, what) for a, b in zip(one, other, strict=True)])


def _section(work: Work, targets: Sequence[Target], found: Mapping[Key, list[Measured]]) -> Section:
    section = Section(
        "sizes",
        "Routing: sizes of requests and numbers of clients, beside other proxies",
        "REST inferences of these sizes to servers that read them and answer at once (nginx, a thread each); "
        f"{work.rounds} rounds of {work.seconds:g} s, the routers in turn, medians; ratios are medians of "
        "those within one round. distctl as it comes: what is larger than 128 KiB is not sent again.",
        [
            "size",
            "clients",
            "router",
            "requests/s",
            "to plain HAProxy",
            "p50 ms",
            "p99 ms",
            "CPU us per request",
        ],
    )
    for label, _, clients in CASES:
        case = (label, clients)
        for target in targets:
            rounds = found[(*case, target.name)]
            section.rows.append(
                [
                    label,
                    str(clients),
                    target.name,
                    f"{median([m.rate for m in rounds]):.0f}",
                    f"{_ratio(found, case, (target.name, PLAIN), 'rate'):.2f}",
                    f"{median([m.p50 for m in rounds]):.1f}",
                    f"{median([m.p99 for m in rounds]):.1f}",
                    f"{median([m.cpu for m in rounds]):.0f}" if target.pid else "",
                ]
            )
        if any(target.name == "Caddy" for target in targets):
            ahead = _ratio(found, case, (OURS, "Caddy"), "rate")
            name = f"times the throughput of Caddy ({label}, {clients} clients)"
            section.aims.append(Aim(name, 2.0, ahead, at_most=False))
    section.notes.append(
        "At 10 MB the servers of this benchmark, not the routers, decide: asked directly they manage a few a "
        "second, and what reads a whole body before it sends it on (nginx, Caddy) suits them better."
    )
    section.notes.append("Not measured: Traefik and Envoy, which this system's packages do not have.")
    return section
