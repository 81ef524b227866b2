"""Servers that answer at once and always the same, so that routers alone are measured; and routers.

What stands for Triton reads each request whole (`benchmarks/reader.py`); of small ones over REST nginx
answers more, which does not wait for their bodies.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.peers import Target, nginx, process
from benchmarks.work import PORTS
from distctl.adapters.haproxy import HaproxyRouter
from distctl.adapters.local import LocalConnector
from distctl.cluster.router import Pool, RouterView, Slot, SlotState
from distctl.cluster.spec import Connection, Node, RouterId, ServerId

READERS = ((PORTS + 921, PORTS + 922), (PORTS + 931, PORTS + 932))
SERVERS = tuple((port - 1, grpc) for port, grpc in READERS)  # REST is answered by nginx
MODEL = "floats"
ANSWER = """\
  server {{
    listen 127.0.0.1:{port};
    default_type application/json;
    return 200 '{{"outputs":[{{"name":"OUTPUT0","datatype":"FP32","shape":[1],"data":[1]}}]}}';
  }}"""


@contextmanager
def answering(folder: Path) -> Iterator[None]:
    """`SERVERS`, for as long as the block runs. Raises RuntimeError without nginx."""
    with reading(), ExitStack() as stack:
        for port, _ in SERVERS:
            stack.enter_context(nginx(ANSWER.format(port=port), folder / f"server-{port}", port, "1"))
        yield


@contextmanager
def reading() -> Iterator[None]:
    """`READERS`, for as long as the block runs."""
    with ExitStack() as stack:
        for port, _ in READERS:
            stack.enter_context(process([sys.executable, "-m", "benchmarks.reader", str(port)], port))
        yield


def view(
    name: str, port: int, servers: Sequence[tuple[int, int]] = SERVERS, **settings: object
) -> RouterView:
    """A router of that name over two servers, as an inventory with no more than its places makes it."""
    slots = tuple(
        Slot(ServerId(f"n{number}", "0"), "127.0.0.1", *ports, SlotState.READY)
        for number, ports in enumerate(servers)
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
