"""The price of each of the router's features: one router for each, all over the same two servers, in turn."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.fixed import SERVERS, answering, router, view
from benchmarks.load import Measured, Request, rest
from benchmarks.peers import Target, plain_haproxy
from benchmarks.work import PORTS, Aim, Section, Work, median, say
from benchmarks.work import run as command
from distctl.adapters.haproxy import bundled_executable
from distctl.cluster.keys import Key
from distctl.cluster.router import Hold, RouterView, Tls
from distctl.cluster.spec import Admission, Limits, PrefixSpec

CLIENTS = 16
PLAIN = "HAProxy, plain"
BASE, EVERYTHING = "distctl, as it comes", "with everything but TLS"
SECRET = "dk_of_the_benchmark"
KEY = Key("bench", hashlib.sha256(SECRET.encode()).hexdigest())
FLOATS = Request()
WITH_KEY = Request(headers={"x-api-key": SECRET})
WITH_TLS = Request(scheme="https")
ADMISSION = Admission(64, 1000, 10.0)
LIMITS = Limits(body=64 * 1024 * 1024, headers=16 * 1024, connections=1000)


@dataclass(frozen=True, slots=True)
class Feature:
    """A router with one thing more or less than as it comes, and how it is asked."""

    view: RouterView
    request: Request = FLOATS
    beside: str = BASE  # what its price is the difference to


def features(tls: Tls) -> dict[str, Feature]:
    """Every feature that has a price, by what it is called here."""
    plain = view("base", PORTS + 940)
    (pool,) = plain.pools

    def with_pool(**changes: object) -> Feature:
        return Feature(replace(plain, pools=(replace(pool, **changes),)))  # type: ignore[arg-type]

    def with_view(**changes: object) -> RouterView:
        return replace(plain, **changes)  # type: ignore[arg-type]

    return {
        BASE: Feature(plain, beside=PLAIN),
        "replay to 1 KiB": Feature(with_view(replay_limit=1024)),
        "replay off": with_pool(replay=False),
        "two-choices": with_pool(policy="two-choices"),
        "round-robin": with_pool(policy="round-robin"),
        "prefix, of the prompt": with_pool(policy="prefix", prefix=PrefixSpec()),
        "sequence": with_pool(policy="sequence", replay=False),
        "admission": with_pool(admission=ADMISSION),
        "hold": with_pool(hold=Hold()),
        "keys": Feature(with_view(keys=(KEY,)), WITH_KEY),
        "limits": Feature(with_view(limits=LIMITS)),
        "workers as nobody": Feature(with_view(drops_root=True)),
        "TLS": Feature(with_view(tls=tls), WITH_TLS),
        EVERYTHING: Feature(everything(plain), WITH_KEY, PLAIN),
    }


def everything(plain: RouterView) -> RouterView:
    """The same router with all that can be on at once, TLS and the access log left out; it wants `KEY`."""
    pools = tuple(replace(pool, admission=ADMISSION, hold=Hold()) for pool in plain.pools)
    return replace(plain, pools=pools, keys=(KEY,), limits=LIMITS, drops_root=True)


def run(work: Work) -> list[Section]:
    """Every router in turn, round after round."""
    wanted = features(self_signed(work.folder))
    found: dict[str, list[Measured]] = {}
    with answering(work.folder), ExitStack() as stack:
        plain = plain_haproxy(str(bundled_executable()), SERVERS, work.folder / "plain", PORTS + 935)
        targets = {PLAIN: stack.enter_context(plain)}
        for number, (name, feature) in enumerate(wanted.items()):
            port = PORTS + 940 + 3 * number
            moved = replace(feature.view, http_port=port, grpc_port=port + 1, metrics_port=port + 2)
            targets[name] = stack.enter_context(router(work.folder / f"router-{number}", moved))
        for _ in range(work.rounds):
            for name, target in targets.items():
                _measure(work, name, target, wanted, found)
    return [_section(work, wanted, found)]


def self_signed(folder: Path) -> Tls:
    """A certificate of the kind that most have: elliptic curves."""
    files = [folder / "router.crt", folder / "router.key"]
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    words += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command([*words, "-out", files[0], "-keyout", files[1]], timeout=30)
    return Tls(*(file.read_text() for file in files))


def _measure(
    work: Work, name: str, target: Target, wanted: Mapping[str, Feature], found: dict[str, list[Measured]]
) -> None:
    request = wanted[name].request if name in wanted else FLOATS
    rest(target, CLIENTS, 1, work.folder, request)  # connections and caches, not counted
    measured = rest(target, CLIENTS, work.seconds, work.folder, request)
    found.setdefault(name, []).append(measured)
    say(f"{name}: {measured.rate:.0f}/s, {measured.cpu:.0f} us")


def _ratio(found: Mapping[str, list[Measured]], name: str, figure: str) -> float:
    pairs = zip(found[name], found[PLAIN], strict=True)
    return median([getattr(one, figure) / getattr(plain, figure) for one, plain in pairs])


def _price(found: Mapping[str, list[Measured]], name: str, beside: str) -> float:
    return median([one.cpu - other.cpu for one, other in zip(found[name], found[beside], strict=True)])


def _section(work: Work, wanted: Mapping[str, Feature], found: Mapping[str, list[Measured]]) -> Section:
    section = Section(
        "features",
        "Routing: the price of each feature",
        f"Sixteen floats as JSON over {CLIENTS} kept connections to servers that answer at once (nginx, one "
        f"thread each), so that the router is what is measured; {work.rounds} rounds of {work.seconds:g} s, "
        "all routers in turn, medians; ratios are medians of those within one round. One thing is changed "
        f"at a time. {EVERYTHING}: keys, admission, hold, limits, workers as nobody.",
        ["router", "requests/s", "to plain HAProxy", "CPU us per request", "to plain HAProxy", "price, us"],
    )
    for name, rounds in found.items():
        price = f"{_price(found, name, wanted[name].beside):+.1f}" if name in wanted else ""
        section.rows.append(
            [
                name,
                f"{median([m.rate for m in rounds]):.0f}",
                f"{_ratio(found, name, 'rate'):.2f}",
                f"{median([m.cpu for m in rounds]):.1f}",
                f"{_ratio(found, name, 'cpu'):.2f}",
                price,
            ]
        )
    why = "the copy that is kept of each request is the largest part: see the row `replay to 1 KiB`"
    rate, cpu = (_ratio(found, EVERYTHING, figure) for figure in ("rate", "cpu"))
    section.aims.append(Aim("CPU per request of a plain HAProxy, everything on", 1.8, cpu, why=why))
    section.aims.append(
        Aim("throughput of a plain HAProxy, everything on", 0.85, rate, at_most=False, why=why)
    )
    section.figures |= {"everything_cpu": cpu, "everything_throughput": rate}
    section.notes.append("The log of requests is off in all of them.")
    section.notes.append(f"The price is beside `{BASE}`, that of the first and the last beside `{PLAIN}`.")
    return section
