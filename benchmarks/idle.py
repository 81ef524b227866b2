"""What a router costs that has nothing to do: memory of each idle connection, and CPU of health checks."""

from __future__ import annotations

import resource
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.features import self_signed
from benchmarks.fixed import MODEL, answering, router, view
from benchmarks.load import cpu, rest_body
from benchmarks.peers import nginx
from benchmarks.work import PORTS, Section, Work, say, spread
from distctl.cluster.router import Pool, RouterView, Slot, SlotState
from distctl.cluster.spec import ServerId
from distctl.policy.checks import check_times

FEW, MANY = 1000, 4000  # connections; what one of them costs is the slope between the two
NODES, MODELS = 12, 20
FIRST = PORTS + 1000  # ports of what is here
KIB = 1024
Open = Callable[[int], socket.socket]

READY = """\
  server {{
    listen 127.0.0.1:{port};
    default_type application/json;
    return 200 '{{}}';
  }}"""


def run(work: Work) -> list[Section]:
    """Connections of each kind in turn, then checks of each sharpness."""
    return [_connections(work), _checks(work)]


def _connections(work: Work) -> Section:
    section = Section(
        "idle",
        "Routing: memory of an idle connection",
        f"Resident memory of the router with {FEW} and with {MANY} connections that were answered "
        f"once, or only opened, and then say nothing; the difference for each. A fresh router each time, "
        f"{work.rounds} rounds, medians (lowest to highest).",
        ["connection", "KiB each"],
    )
    tls = self_signed(work.folder)
    trust = ssl.create_default_context(cadata=tls.certificate)
    wanted = replace(view("idle", FIRST), maxconn=MANY + 100)
    kinds: dict[str, tuple[RouterView, Open]] = {
        "opened, nothing said": (wanted, _opened),
        "HTTP/1.1, kept after an answer": (wanted, _answered),
        "HTTP/2, as a gRPC channel keeps it": (wanted, _channel),
        "HTTP/1.1 over TLS, kept after an answer": (
            replace(wanted, tls=tls),
            lambda port: _answered(port, trust),
        ),
    }
    with answering(work.folder), _descriptors(2 * MANY):
        for name, (router_view, opened) in kinds.items():
            each = [_each(work.folder / f"{name}-{n}", router_view, opened) for n in range(work.rounds)]
            section.rows.append([name, spread(each, 1)])
            say(f"{name}: {spread(each, 1)} KiB")
    section.notes.append(
        "HAProxy's memory alone, without the kernel's. An idle client holds no connection to a server, and "
        "its buffers are given back after each answer. With TLS most of it is OpenSSL's."
    )
    return section


def _each(folder: Path, wanted: RouterView, opened: Open) -> float:
    """KiB of one connection."""
    with router(folder, wanted) as target, ExitStack() as stack:
        resident = []
        for wanted_now in (FEW, MANY):
            for _ in range(wanted_now - FEW * len(resident)):
                stack.enter_context(opened(target.http))
            time.sleep(0.5)  # what was released is given back
            resident.append(_resident(target.pid))
        return (resident[1] - resident[0]) / (MANY - FEW) / KIB


def _resident(pid: int) -> int:
    """Bytes that a process and all below it hold resident."""
    status = Path(f"/proc/{pid}/status").read_text()
    below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(status.split("VmRSS:")[1].split()[0]) * KIB + sum(_resident(int(child)) for child in below)


@contextmanager
def _descriptors(wanted: int) -> Iterator[None]:
    """Room for so many open connections of this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, wanted), hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _opened(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def _answered(port: int, trust: ssl.SSLContext | None = None) -> socket.socket:
    """A connection that stays open after one inference."""
    stream = _opened(port)
    if trust:
        stream = trust.wrap_socket(stream, server_hostname="127.0.0.1")
    body = rest_body()
    head = f"POST /v2/models/{MODEL}/infer HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    stream.sendall(head.encode() + body)
    if not stream.recv(4096).startswith(b"HTTP/1.1 200"):
        raise RuntimeError("the router did not answer")
    return stream


def _channel(port: int) -> socket.socket:
    """HTTP/2 with settings exchanged, as a channel between two calls."""
    stream = _opened(port)
    stream.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
    stream.recv(4096)
    stream.sendall(b"\0\0\0\4\1\0\0\0\0")  # the router's settings are taken
    return stream


def _checks(work: Work) -> Section:
    slots = NODES * MODELS
    section = Section(
        "checks",
        "Routing: CPU of health checks",
        f"A router with {NODES} nodes by {MODELS} models, so {slots} slots that are ready, asked nothing; "
        f"CPU of its processes over {work.seconds} s, {work.rounds} rounds, medians (lowest to highest).",
        ["checks", "each slot, ms", "checks a second", "CPU, percent of a core"],
    )
    ports = [FIRST + 20 + number for number in range(NODES)]
    servers = "".join(READY.format(port=port) for port in ports)
    with nginx(servers, work.folder / "nodes", ports[0], "1"):
        for mode in ("lan", "wan"):
            times = check_times(None, slots, mode)
            wanted = replace(view("checks", FIRST + 40), pools=_pools(ports), checks=times)
            with router(work.folder / mode, wanted) as target:
                time.sleep(3)  # what began as down came up
                used = [_used(target.pid, work.seconds) for _ in range(work.rounds)]
            section.rows.append(
                [mode, str(times.interval), f"{1000 * slots / times.interval:.0f}", spread(used, 1)]
            )
            say(f"checks {mode}: {spread(used, 1)} percent")
    return section


def _pools(ports: list[int]) -> tuple[Pool, ...]:
    slots = tuple(
        Slot(ServerId(f"n{number:02d}", "0"), "127.0.0.1", port, port, SlotState.READY)
        for number, port in enumerate(ports)
    )
    names = [MODEL, *(f"model{number:02d}" for number in range(1, MODELS))]
    return tuple(Pool(name, slots) for name in names)


def _used(pid: int, seconds: float) -> float:
    """Percent of a core over some time."""
    before, began = sum(cpu(pid)), time.monotonic()
    time.sleep(seconds)
    return 100 * (sum(cpu(pid)) - before) / (time.monotonic() - began)
