"""Four machines with a real systemd each: one for a router, two that serve a model, and one to spare.

distctl runs them, or somebody who wrote units by hand: Triton under `Restart=always`, and nginx before it.
"""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.others import Operator, operator
from benchmarks.peers import TUNED_NGINX, nginx_between, nginx_config
from benchmarks.work import MODELS, Work, distctl, run, say

if TYPE_CHECKING:
    from host import Host

ROUTER, SERVER = 8000, 9000  # ports for HTTP; those for gRPC are one above
REPLICAS = 2
RESCHEDULE = 15  # seconds until a node counts as gone
PATIENCE = 5  # seconds that nginx waits for an answer, so that its checks see a server that hangs
INVENTORY = """\
version: 1
cluster: bench
servers: {{ports: {port}}}
ssh: {{user: root}}
timeouts: {{connect: 3s}}
healing: {{reschedule_after: {reschedule}s}}
nodes:
  {router.name}: {{address: {router.address}, servers: none}}
{nodes}
models:
  floats: {{source: {source}, replicas: {replicas}}}
routers:
  main: {{on: [{router.name}]}}
"""
UNIT = "[Service]\nExecStart={command}\nRestart=always\n"
TRITON = "/bin/sh /root/serving/start.sh"
NGINX = "/usr/sbin/nginx -c /root/nginx/nginx.conf -e /root/nginx/error.log"


@dataclass(frozen=True, slots=True)
class Machines:
    """They, and who operates them."""

    operator: Operator
    router: Host
    nodes: list[Host]

    @property
    def inventory(self) -> Path:
        """distctl's file for them."""
        return self.operator.inventory

    @property
    def environment(self) -> dict[str, str]:
        """What distctl runs with."""
        return self.operator.environment

    def cli(self, *words: str) -> str:
        """What `distctl WORDS` prints."""
        return run([*distctl(), *words, "-i", self.inventory], timeout=180, env=self.environment)

    def serving(self) -> list[Host]:
        """The nodes that have the model ready, asked directly."""
        return [node for node in self.nodes if serves(node)]

    def wait_whole(self) -> None:
        """Wait until as many serve as shall. Raises RuntimeError."""
        _wait(lambda: len(self.serving()) >= REPLICAS, "the model is not ready on its nodes")


def serves(node: Host) -> bool:
    """Whether a node's Triton, asked directly, has the model ready."""
    return _answers(node, SERVER, "/v2/models/floats/ready")


def routes(router: Host) -> bool:
    """Whether a router passes requests on."""
    return _answers(router, ROUTER, "/v2/models/floats/ready")


def _answers(host: Host, port: int, path: str) -> bool:
    url = f"http://{host.address}:{port}{path}"
    with suppress(OSError), urllib.request.urlopen(url, timeout=1) as answer:
        return bool(answer.status == 200)
    return False


def _wait(what: Callable[[], bool], otherwise: str, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not what():
        if time.monotonic() > until:
            raise RuntimeError(f"{otherwise} after {seconds:g} s")
        time.sleep(0.1)


@contextmanager
def machines(work: Work) -> Iterator[Machines]:
    """The machines, on which nothing runs yet."""
    with operator(work, 4, systemd=True) as one:
        router, *nodes = one.hosts
        lines = [f"  {node.name}: {{address: {node.address}}}" for node in nodes]
        one.inventory.write_text(
            INVENTORY.format(
                port=SERVER,
                reschedule=RESCHEDULE,
                router=router,
                nodes="\n".join(lines),
                source=MODELS / "floats",
                replicas=REPLICAS,
            )
        )
        yield Machines(one, router, nodes)


@contextmanager
def run_by_distctl(found: Machines) -> Iterator[None]:
    """Served by distctl for as long as the block runs."""
    say("distctl brings them up")
    found.cli("up", "-y")
    try:
        yield
    finally:
        found.cli("down", "-y")


@contextmanager
def run_by_systemd(found: Machines) -> Iterator[None]:
    """Two of them served by units that were written by hand, and nginx on the router's machine."""
    say("units by hand bring them up")
    nodes = found.nodes[:REPLICAS]
    found.operator.by_hand([node.address for node in nodes])
    for node in nodes:
        node.run("pkill -x tritonserver; while pgrep -x tritonserver; do sleep 0.1; done")
        _start(node, "triton", TRITON)
    rest, grpcs = (
        [f"{node.address}:{port} max_fails=1 fail_timeout=10s" for node in nodes]
        for port in (SERVER, SERVER + 1)
    )
    tuned = f"{TUNED_NGINX}\n  proxy_read_timeout {PATIENCE}s; grpc_read_timeout {PATIENCE}s;"
    inside = nginx_between(rest, grpcs, ROUTER, tuned=tuned)
    found.router.run("mkdir -p /root/nginx")
    found.router.write("/root/nginx/nginx.conf", nginx_config(inside, Path("/root/nginx"), "auto"))
    _start(found.router, "nginx", NGINX)
    _wait(lambda: routes(found.router), "nginx does not answer")
    yield


def _start(host: Host, name: str, command: str) -> None:
    host.write(f"/etc/systemd/system/{name}.service", UNIT.format(command=command))
    host.run(f"systemctl daemon-reload && systemctl start {name}")
