"""distctl's router beside other proxies: 16 to 256 clients, 64 bytes to 10 MB, REST and gRPC."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.features import WITH_KEY, everything
from benchmarks.fixed import READERS, reading, router, view
from benchmarks.load import Measured, Request, grpc, message_of, rest
from benchmarks.peers import WHERE, Target, caddy, nginx_target, plain_haproxy
from benchmarks.work import PORTS, Aim, Section, Work, median, say
from distctl.adapters.haproxy import bundled_executable

DIRECT, OURS, PLAIN = "direct", "distctl, everything on", "HAProxy, plain"
LOADS = {"REST": rest, "gRPC": grpc}
SIZES = {"64 B": 64, "1 MB": 1_000_000, "10 MB": 10_000_000}


@dataclass(frozen=True, slots=True)
class Case:
    """What is sent by how many at once."""

    protocol: str
    size: str
    clients: int

    @property
    def request(self) -> Request:
        """A tensor of that size, with the key that distctl wants."""
        tensor = b"0" * SIZES[self.size]
        return Request(tensor if self.protocol == "REST" else message_of(tensor), WITH_KEY.headers)

    def __str__(self) -> str:
        return f"{self.protocol}, {self.size}, {self.clients} clients"


SHAPES = (("64 B", 16), ("64 B", 64), ("64 B", 256), ("1 MB", 16), ("10 MB", 16))
CASES = tuple(Case(protocol, *shape) for protocol in LOADS for shape in SHAPES)
Key = tuple[Case, str]  # with a router's name
Found = Mapping[Key, list[Measured]]


def run(work: Work) -> list[Section]:
    """Every router in turn, case after case, round after round; who fails a case is out of it."""
    found: dict[Key, list[Measured]] = {}
    failed: dict[Key, str] = {}
    with reading(), ExitStack() as stack:
        targets = _targets(work, stack)
        for case in CASES:
            # Connections and caches come before, not counted; gRPC's rounds do that themselves.
            for number in range(case.protocol == "gRPC", work.rounds + 1):
                for target in targets:
                    if (case, target.name) not in failed:
                        _round(work, case, target, number, found, failed)
            for name in (target.name for target in targets if (case, target.name) in found):
                say(f"{case}: {name} {_middle(found, case, name, 'rate'):.0f}/s")
    return [_section(work, targets, found, failed)]


def _round(
    work: Work,
    case: Case,
    target: Target,
    number: int,
    found: dict[Key, list[Measured]],
    failed: dict[Key, str],
) -> None:
    seconds = work.seconds if number else 1
    try:
        measured = LOADS[case.protocol](target, case.clients, seconds, work.folder, case.request)
    except RuntimeError as error:
        if target.name in (DIRECT, PLAIN):
            raise
        failed[case, target.name] = next((x for x in str(error).splitlines() if "failed" in x), str(error))
        found.pop((case, target.name), None)
        return
    if number:
        found.setdefault((case, target.name), []).append(measured)


def _targets(work: Work, stack: ExitStack) -> list[Target]:
    binary, folder = str(bundled_executable()), work.folder
    found = [
        Target(DIRECT, *READERS[0]),
        stack.enter_context(router(folder / "ours", everything(view(OURS, PORTS + 940, READERS)))),
        stack.enter_context(plain_haproxy(binary, READERS, folder / "plain", PORTS + 950)),
        stack.enter_context(nginx_target(READERS, folder / "nginx", PORTS + 960)),
    ]
    if shutil.which("caddy", path=WHERE):
        found.append(stack.enter_context(caddy(READERS, folder / "caddy", PORTS + 970)))
    return found


def _middle(found: Found, case: Case, name: str, what: str) -> float:
    return median([getattr(measured, what) for measured in found[case, name]])


def _ratio(found: Found, case: Case, names: tuple[str, str], what: str) -> float:
    one, other = (found[case, name] for name in names)
    return median([getattr(a, what) / getattr(b, what) for a, b in zip(one, other, strict=True)])


def _section(work: Work, targets: Sequence[Target], found: Found, failed: Mapping[Key, str]) -> Section:
    section = Section(
        "sizes",
        "Routing: sizes of requests and numbers of clients, beside other proxies",
        "Inferences of these sizes over kept connections, one at a time on each, to two servers that read "
        "them whole, throw them away and answer at once (`benchmarks/reader.py`, a thread each); "
        f"{work.rounds} rounds of {work.seconds:g} s, the routers in turn, medians; ratios are medians of "
        "those within one round. gRPC is unary in clear text (h2c). distctl with keys, admission, hold, "
        "limits and workers as nobody, and without the access log, which is off in all of them; what is "
        "larger than 128 KiB is not sent again.",
        [
            "protocol",
            "size",
            "clients",
            "router",
            "requests/s",
            "to plain HAProxy",
            "p50 ms",
            "p99 ms",
            "CPU us per request",
            "to plain HAProxy",
        ],
    )
    for case in CASES:
        section.rows += [_row(found, case, target) for target in targets if (case, target.name) in found]
        if {(case, OURS), (case, "Caddy")} <= found.keys():
            section.aims.append(_ahead(found, case, "Caddy"))
    section.notes.append(
        "Clients, router and servers share two cores. From 1 MB on most of the time is the kernel's copying, "
        "which is equal work for every router and is the clients' and the servers' too: there the CPU of "
        "the router alone says more of it than the requests a second do."
    )
    section.notes += [f"{name} failed at {case}: {said}" for (case, name), said in failed.items()]
    section.notes.append("Not measured: Traefik and Envoy, which this system's packages do not have.")
    return section


def _row(found: Found, case: Case, target: Target) -> list[str]:
    def middle(what: str, digits: int) -> str:
        return f"{_middle(found, case, target.name, what):.{digits}f}"

    pair = (target.name, PLAIN)
    return [
        case.protocol,
        case.size,
        str(case.clients),
        target.name,
        middle("rate", 0),
        f"{_ratio(found, case, pair, 'rate'):.2f}",
        middle("p50", 1),
        middle("p99", 1),
        middle("cpu", 0) if target.pid else "",
        f"{_ratio(found, case, pair, 'cpu'):.2f}" if target.pid else "",
    ]


def _ahead(found: Found, case: Case, other: str) -> Aim:
    cheaper = 1 / _ratio(found, case, (OURS, other), "cpu")
    return Aim(
        f"times the throughput of {other} ({case})",
        2.0,
        _ratio(found, case, (OURS, other), "rate"),
        at_most=False,
        why=f"{other} spends {cheaper:.2f} times the CPU per request",
    )
