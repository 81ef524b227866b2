"""What a router costs: requests a second, times and CPU for each request, against the peers and no router."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from benchmarks.cluster import LocalCluster, local_cluster
from benchmarks.features import WITH_KEY, everything, logged
from benchmarks.fixed import router, view
from benchmarks.load import Measured, Request, answered, grpc, rest
from benchmarks.peers import Target, direct, ours, peers
from benchmarks.work import PORTS, Aim, Section, Work, median, say
from distctl.cluster.router import RouterView

Load = Callable[[Target, int, float, Path, Request], Measured]
Rounds = dict[tuple[str, int, str], list[Measured]]

CLIENTS = (16, 64)
PROTOCOLS: dict[str, tuple[str, Load]] = {"REST": ("wrk", rest), "gRPC": ("h2load", grpc)}
PLAIN, OURS, EVERYTHING = "HAProxy, plain", "distctl", "distctl, everything on"
UNMEASURED = "Not measured here: Caddy (see sizes), Ray Serve (see serving), Traefik, Envoy."


def run(work: Work) -> list[Section]:
    """Every router over the same two Tritons, in turn, round after round."""
    with (
        local_cluster(work.folder / "cluster") as cluster,
        peers(cluster, work.folder / "peers", tuned=False) as others,
        router(work.folder / "everything", _everything(cluster)) as whole,
    ):
        cluster.wait_ready()
        targets = [direct(cluster), ours(cluster), whole, *others]
        found: Rounds = {}
        missing = [tool for tool, _ in PROTOCOLS.values() if not shutil.which(tool)]
        for protocol, (tool, load) in PROTOCOLS.items():
            if tool not in missing:
                for clients in CLIENTS:
                    _measure(work, cluster, targets, (protocol, clients), load, found)
    section = _section(work, targets, found)
    section.notes += [f"{tool} is not installed: its protocol was not measured." for tool in missing]
    return [section]


def _everything(cluster: LocalCluster) -> RouterView:
    return logged(everything(view(EVERYTHING, PORTS + 940, cluster.servers)))


def _measure(
    work: Work, cluster: LocalCluster, targets: list[Target], what: tuple[str, int], load: Load, found: Rounds
) -> None:
    protocol, clients = what
    for target in targets:
        with suppress(RuntimeError):  # the first connections and the caches, not counted
            load(target, clients, 1, work.folder, WITH_KEY)
    for number in range(1, work.rounds + 1):
        for target in targets:
            measured = _confirmed(work, cluster, target, clients, load)
            found.setdefault((protocol, clients, target.name), []).append(measured)
            say(f"{protocol} {clients} clients, round {number}: {target.name} {measured.rate:.0f}/s")


def _confirmed(
    work: Work, cluster: LocalCluster, target: Target, clients: int, load: Load, tries: int = 3
) -> Measured:
    """One round whose answers the servers confirm; a round in which one of them ended is measured again."""
    cluster.wait_ready()
    try:
        before = answered(cluster.servers)
        measured = load(target, clients, work.seconds, work.folder, WITH_KEY)
        if answered(cluster.servers) - before >= measured.requests:
            return measured
        problem = "the servers did not answer what was counted"
    except (OSError, RuntimeError) as error:
        problem = str(error)
    say(f"{target.name}: {problem[-300:]}")
    if tries == 1:
        raise RuntimeError(f"{target.name}: {problem}")
    return _confirmed(work, cluster, target, clients, load, tries - 1)


def _ratio(found: Rounds, key: tuple[str, int], one: str, other: str, figure: str) -> float:
    pairs = zip(found[(*key, one)], found[(*key, other)], strict=True)
    return median([getattr(a, figure) / getattr(b, figure) for a, b in pairs])


def _section(work: Work, targets: list[Target], found: Rounds) -> Section:
    section = Section(
        "routing",
        "Routing: requests, times and CPU",
        "Sixteen floats to a model that answers them, two Tritons on the CPU, everything on one machine; "
        f"{work.rounds} rounds of {work.seconds:g} s, the routers in turn, medians. The ratios are medians "
        "of those within one round. CPU is user and system time of all processes of the "
        "router, health checks "
        f"included. `{OURS}` is what `up` makes of an inventory that says nothing of it, its access log on; "
        f"`{EVERYTHING}` has keys, admission, hold, limits and workers as nobody too.",
        [
            "protocol",
            "clients",
            "router",
            "requests/s",
            "to direct",
            "to plain HAProxy",
            "p50 ms",
            "p99 ms",
            "CPU us per request",
            "of it system",
        ],
    )
    for protocol, clients in sorted({key[:2] for key in found}, key=lambda k: (k[0] != "REST", k[1])):
        for target in targets:
            section.rows.append(_row(found, (protocol, clients), target))
        _aims(section, found, (protocol, clients))
    section.notes.append(UNMEASURED)
    section.notes.append(
        "distctl's router also chooses the pool by the model's name, keeps a copy of each request up to "
        "128 KiB so that it can be sent again, writes a line about it, and checks each model every 0.2 s; "
        "the plain configurations do none of it."
    )
    return section


def _row(found: Rounds, key: tuple[str, int], target: Target) -> list[str]:
    rounds = found[(*key, target.name)]
    proxied = bool(target.pid)
    return [
        key[0],
        str(key[1]),
        target.name,
        f"{median([m.rate for m in rounds]):.0f}",
        f"{_ratio(found, key, target.name, 'direct', 'rate'):.2f}",
        f"{_ratio(found, key, target.name, PLAIN, 'rate'):.2f}",
        f"{median([m.p50 for m in rounds]):.1f}",
        f"{median([m.p99 for m in rounds]):.1f}",
        f"{median([m.cpu for m in rounds]):.0f}" if proxied else "",
        f"{median([m.system for m in rounds]):.0f}" if proxied else "",
    ]


def _aims(section: Section, found: Rounds, key: tuple[str, int]) -> None:
    label = f"{key[0]}, {key[1]} clients"
    for name, throughput, most in ((OURS, 0.92, 1.35), (EVERYTHING, 0.85, 1.8)):
        rate, cost, user, system = (
            _ratio(found, key, name, PLAIN, what) for what in ("rate", "cpu", "user", "system")
        )
        what = f"of a plain HAProxy, {name} ({label})"
        section.aims.append(Aim(f"throughput {what}", throughput, rate, at_most=False, why="see its CPU"))
        why = (
            f"user time is {user:.2f} and system time {system:.2f} of the plain one; what for, features says"
        )
        section.aims.append(Aim(f"CPU per request {what}", most, cost, why=why))
        figure = f"{key[0]}, {key[1]}, {name}"
        section.figures |= {f"{figure}, throughput to HAProxy": rate, f"{figure}, CPU to HAProxy": cost}
