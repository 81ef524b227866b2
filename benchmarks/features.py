"""The price of each of the router's features: one router for each, all over the same two servers, in turn."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.fixed import SERVERS, answering, router, view
from benchmarks.load import Measured, Request, grpc, rest
from benchmarks.peers import plain_haproxy
from benchmarks.work import PORTS, Aim, Section, Work, median, say
from benchmarks.work import run as command
from distctl.adapters.haproxy import bundled_executable
from distctl.cluster.keys import Key
from distctl.cluster.router import Hold, RouterView, Tls
from distctl.cluster.spec import Admission, Limits, LogSpec, PrefixSpec

CLIENTS = 16
PLAIN = "HAProxy, plain"
BASE, SILENT, EVERYTHING = (
    "distctl, as it comes",
    "with everything but TLS and the log",
    "with everything but TLS",
)
GRPC = "gRPC: "  # begins the names of what is asked over it
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
        "access log": Feature(logged(plain)),
        SILENT: Feature(everything(plain), WITH_KEY, PLAIN),
        EVERYTHING: Feature(logged(everything(plain)), WITH_KEY, PLAIN),
        GRPC + BASE: Feature(plain, beside=GRPC + PLAIN),
        GRPC + "access log": Feature(logged(plain), beside=GRPC + BASE),
        GRPC + EVERYTHING: Feature(logged(everything(plain)), WITH_KEY, GRPC + PLAIN),
    }


def everything(plain: RouterView) -> RouterView:
    """The same router with all that can be on at once, TLS and the access log left out; it wants `KEY`."""
    pools = tuple(replace(pool, admission=ADMISSION, hold=Hold()) for pool in plain.pools)
    return replace(plain, pools=pools, keys=(KEY,), limits=LIMITS, drops_root=True)


def logged(plain: RouterView) -> RouterView:
    """The same router with a line of JSON for each request, kept in rotated files."""
    return replace(plain, log=LogSpec())


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
        targets[GRPC + PLAIN] = targets[PLAIN]
        for number in range(work.rounds + 1):
            for name, target in targets.items():
                request = wanted[name].request if name in wanted else FLOATS
                load = grpc if name.startswith(GRPC) else rest
                measured = load(target, CLIENTS, work.seconds if number else 1, work.folder, request)
                if number:  # before that connections and caches, not counted
                    found.setdefault(name, []).append(measured)
                    say(f"{name}: {measured.rate:.0f}/s, {measured.cpu:.0f} us")
    return [_section(work, wanted, found)]


def self_signed(folder: Path) -> Tls:
    """A certificate of the kind that most have: elliptic curves."""
    files = [folder / "router.crt", folder / "router.key"]
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    words += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command([*words, "-out", files[0], "-keyout", files[1]], timeout=30)
    return Tls(*(file.read_text() for file in files))


def _plain(name: str) -> str:
    """What a router is compared to: a plain HAProxy that is asked over the same protocol."""
    return GRPC + PLAIN if name.startswith(GRPC) else PLAIN


def _ratio(found: Mapping[str, list[Measured]], name: str, figure: str) -> float:
    pairs = zip(found[name], found[_plain(name)], strict=True)
    return median([getattr(one, figure) / getattr(plain, figure) for one, plain in pairs])


def _price(found: Mapping[str, list[Measured]], name: str, beside: str) -> float:
    return median([one.cpu - other.cpu for one, other in zip(found[name], found[beside], strict=True)])


def _section(work: Work, wanted: Mapping[str, Feature], found: Mapping[str, list[Measured]]) -> Section:
    section = Section(
        "features",
        "Routing: the price of each feature",
        f"Sixteen floats as JSON over {CLIENTS} kept connections to servers that answer at once (nginx; over "
        "gRPC, unary and in clear text, `benchmarks/reader.py`; one thread each), so that the router is what "
        f"is measured; {work.rounds} rounds of {work.seconds:g} s, all routers in turn, medians; ratios are "
        "medians of those within one round. One thing is changed at a time. "
        f"`{EVERYTHING}`: keys, admission, hold, limits, workers as nobody, access log.",
        ["router", "requests/s", "to plain HAProxy", "CPU us per request", "to plain HAProxy", "price, us"],
    )
    for name, rounds in sorted(found.items(), key=lambda item: item[0].startswith(GRPC)):
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
    _aims(section, found)
    section.notes.append(
        "The log is off but where it is named. HAProxy writes each line into a pipe and waits for nobody; "
        "what reads the pipe and keeps the files is not counted, and shares the cores."
    )
    section.notes.append(
        f"The price is beside `{BASE}`, that of itself and of everything beside `{PLAIN}`, over the same "
        "protocol."
    )
    section.notes.append(
        "Where the router alone is the limit, as here, throughput is the inverse of its CPU per request, so "
        "the two aims cannot be met together (1/1.8 is 0.56); over servers that compute, see `Routing: "
        "requests, times and CPU`."
    )
    return section


def _aims(section: Section, found: Mapping[str, list[Measured]]) -> None:
    why = "the largest parts are the copy that is kept of each request and the log: see their rows"
    for name in (SILENT, EVERYTHING, GRPC + EVERYTHING):
        rate, cpu = (_ratio(found, name, figure) for figure in ("rate", "cpu"))
        section.aims.append(Aim(f"CPU per request of a plain HAProxy, {name}", 1.8, cpu, why=why))
        section.figures |= {f"{name}, cpu": cpu, f"{name}, throughput": rate}
