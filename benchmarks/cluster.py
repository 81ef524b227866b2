"""A real cluster on this machine, made by distctl as a user would: some Tritons on the CPU and one router."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.work import MODELS, PORTS, distctl, environment, run, say

UP_SECONDS = 300


@dataclass(frozen=True, slots=True)
class LocalCluster:
    """A cluster that runs. Ports count up from `base`: router first, then a hundred for each node."""

    folder: Path
    base: int
    nodes: Sequence[str]

    @property
    def inventory(self) -> Path:
        """Its file."""
        return self.folder / "cluster.yaml"

    @property
    def environment(self) -> dict[str, str]:
        """What commands for it run with."""
        return environment()

    @property
    def router(self) -> tuple[int, int]:
        """The router's ports for HTTP and gRPC."""
        return self.base, self.base + 1

    @property
    def servers(self) -> list[tuple[int, int]]:
        """Each Triton's ports for HTTP and gRPC."""
        return [(self.base + 100 * n, self.base + 100 * n + 1) for n in range(1, len(self.nodes) + 1)]

    def cli(self, *words: str, timeout: float = UP_SECONDS) -> str:
        """What `distctl WORDS` prints."""
        return run([*distctl(), *words, "-i", self.inventory], timeout=timeout, env=self.environment)

    def server_pid(self, node: str) -> int:
        """The process of a node's Triton."""
        return self._pid(f"{node}/units/server-0")

    def supervisor_pid(self, node: str) -> int:
        """What starts a node's Triton again."""
        return self._pid(f"{node}/units/server-0", "supervisor")

    def router_pid(self, name: str = "main") -> int:
        """A router's master process."""
        return self._pid(f"{self.nodes[0]}/units/router-{name}")

    def _pid(self, unit: str, whose: str = "process") -> int:
        lines = (self.folder / "nodes" / "bench" / unit / "pid").read_text().splitlines()
        return int(dict(line.split("=", 1) for line in lines)[whose].split()[1])

    def ready(self, model: str = "floats") -> bool:
        """Whether every Triton, asked directly, has the model ready."""
        return all(_ready(port, model) for port, _ in self.servers)

    def wait_ready(self, model: str = "floats", seconds: float = 60) -> None:
        """Wait for that. Raises RuntimeError."""
        until = time.monotonic() + seconds
        while not self.ready(model):
            if time.monotonic() > until:
                raise RuntimeError(f"model {model} did not become ready in {seconds:g} s")
            time.sleep(0.1)


def _ready(port: int, model: str) -> bool:
    with (
        suppress(OSError),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/models/{model}/ready", timeout=1) as answer,
    ):
        return bool(answer.status == 200)
    return False


@contextmanager
def local_cluster(
    folder: Path,
    *,
    nodes: Sequence[str] = ("n1", "n2"),
    base: int = PORTS,
    models: Mapping[str, Path] | None = None,
    counts: str = "",
) -> Iterator[LocalCluster]:
    """Bring a cluster up below `folder`, every model on every node; taken down at the end.

    `counts` says of every model how many replicas it has, as the inventory does, instead.
    """
    cluster = write_inventory(folder, nodes=nodes, base=base, models=models, counts=counts)
    say(f"bringing up {len(nodes)} nodes on this machine")
    try:
        cluster.cli("up", "-y")
        yield cluster
    finally:
        try:
            cluster.cli("down", "-y")
        except RuntimeError as error:
            say(f"the cluster on ports {cluster.base} and up was left running: {error}")


def write_inventory(
    folder: Path,
    *,
    nodes: Sequence[str] = ("n1", "n2"),
    base: int = PORTS,
    models: Mapping[str, Path] | None = None,
    counts: str = "",
) -> LocalCluster:
    """The cluster's file alone; nothing runs yet."""
    cluster = LocalCluster(folder, base, tuple(nodes))
    folder.mkdir(parents=True, exist_ok=True)
    models = models or {"floats": MODELS / "floats"}
    counts = counts or f"replicas: {len(cluster.nodes)}"
    cluster.inventory.write_text(_inventory(cluster, models, counts))
    return cluster


def _inventory(cluster: LocalCluster, models: Mapping[str, Path], counts: str) -> str:
    lines = ["version: 1", "cluster: bench", f"directory: {cluster.folder / 'nodes'}", "nodes:"]
    for name, (http, _) in zip(cluster.nodes, cluster.servers, strict=True):
        lines.append(f"  {name}: {{connection: local, servers: {{ports: {http}}}}}")
    lines.append("models:")
    for model, source in models.items():
        lines.append(f"  {model}: {{source: {source}, {counts}}}")
    http, grpc = cluster.router
    ports = f"{{http: {http}, grpc: {grpc}, metrics: {http + 2}}}"
    place = f"on: [{cluster.nodes[0]}], address: 127.0.0.1"
    lines += ["routers:", f"  main: {{{place}, ports: {ports}}}"]
    return "\n".join(lines) + "\n"
