"""Servers that answer at once and always the same, so that a router alone is measured; and routers over them.

What stands for Triton: nginx for small requests over REST, which it answers before it has read them; for all
others a server that reads each whole (`benchmarks/reader.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.peers import Target, nginx, process
from benchmarks.work import PORTS
from distctl.adapters.haproxy import HaproxyRouter
from distctl.adapters.local import LocalConnector
from distctl.cluster.router import Pool, RouterView, Slot, SlotState
from distctl.cluster.spec import Connection, Node, RouterId, ServerId

SERVERS = ((PORTS + 920, PORTS + 921), (PORTS + 930, PORTS + 931))
MODEL = "floats"
ANSWER = """\
  server {{
    listen 127.0.0.1:{port};
    default_type application/json;
    return 200 '{{"outputs":[{{"name":"OUTPUT0","datatype":"FP32","shape":[1],"data":[1]}}]}}';
  }}"""


@contextmanager
def answering(folder: Path) -> Iterator[None]:
    """Two servers of REST alone for as long as the block runs. Raises RuntimeError without nginx."""
    with ExitStack() as stack:
        for port, _ in SERVERS:
            stack.enter_context(nginx(ANSWER.format(port=port), folder / f"server-{port}", port, "1"))
        yield


@contextmanager
def reading() -> Iterator[None]:
    """Two servers of REST and gRPC, which read each request whole, for as long as the block runs."""
    with ExitStack() as stack:
        for port, _ in SERVERS:
            stack.enter_context(process([sys.executable, "-m", "benchmarks.reader", str(port)], port))
        yield


def view(name: str, port: int, **settings: object) -> RouterView:
    """A router of that name over the two servers, as an inventory with no more than its places makes it."""
    slots = tuple(
        Slot(ServerId(f"n{number}", "0"), "127.0.0.1", *ports, SlotState.READY)
        for number, ports in enumerate(SERVERS)
    )
    made = {"pools": (Pool(MODEL, slots),), "needed": (MODEL,), **settings}
    return RouterView(RouterId(name, "here"), "benchmark", "127.0.0.1", port, port + 1, port + 2, **made)  # type: ignore[arg-type]


@contextmanager
def router(folder: Path, wanted: RouterView) -> Iterator[Target]:
    """distctl's router for a view, for as long as the block runs."""
    connector = LocalConnector(Node("here", Connection.LOCAL, "127.0.0.1", "127.0.0.1"))
    control = HaproxyRouter(
        connector,
        wanted.id,
        str(folder),
        lambda script, tried, deadline: connector.run(script, tried=tried, deadline=deadline),
    )
    try:
        control.apply(wanted, deadline=20)
        unit = folder / "units" / f"router-{wanted.id.router}" / "pid"
        lines = dict(line.split("=", 1) for line in unit.read_text().splitlines())
        yield Target(wanted.id.router, wanted.http_port, wanted.grpc_port, int(lines["process"].split()[1]))
    finally:
        control.stop(deadline=1.0)
