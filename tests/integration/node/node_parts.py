"""A real local node for tests: a folder of its own, scripts run by the local connector, everything ended."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from distctl.adapters.local import LocalConnector
from distctl.adapters.node_site import NodeSite
from distctl.cluster.content import FileEntry, Folder
from distctl.cluster.snapshot import Owner
from distctl.cluster.spec import Connection, Endpoint, Node, Server, ServerId
from distctl.commands.units import Unit, start, states, stop
from distctl.commands.units import parse_states as parse
from distctl.ports import Progress, Result, Upload

FIRST_PORT, LAST_PORT = 23000, 23999

CONFIG = """backend: "python"
input [ { name: "X" data_type: TYPE_FP32 dims: [ 1 ] } ]
output [ { name: "Y" data_type: TYPE_FP32 dims: [ 1 ] } ]
instance_group [ { count: 2 kind: KIND_CPU } ]
"""
CODE = """import time
import numpy as np
import triton_python_backend_utils as pb
class TritonPythonModel:
    def initialize(self, args):
        {initialize}
    def execute(self, requests):
        return [pb.InferenceResponse([pb.Tensor("Y", np.array([{number}], np.float32))]) for _ in requests]
"""


def free_ports(count: int) -> list[int]:
    """Ports of this suite's range that nobody listens on."""
    found: list[int] = []
    for port in range(FIRST_PORT, LAST_PORT):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if trial.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no free ports")


def eventually(true: Callable[[], object], seconds: float = 20.0) -> None:
    """Return once it is so; fail with its name after `seconds`."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, f"not so within {seconds:g} s"
        time.sleep(0.05)


def folder_of(root: Path) -> Folder:
    """A folder as it would be pushed."""
    files = [path for path in sorted(root.rglob("*")) if path.is_file()]
    return Folder(root, tuple(_entry(root, path) for path in files))


def _entry(root: Path, path: Path) -> FileEntry:
    content = path.read_bytes()
    runs = os.access(path, os.X_OK)
    return FileEntry(str(path.relative_to(root)), len(content), hashlib.sha256(content).hexdigest(), runs)


@dataclass
class WatchedConnector:
    """A local connector that remembers what was put, and can be told to cut the next copy."""

    inner: LocalConnector
    put_targets: list[str] = field(default_factory=list)

    def run(self, script: str, *, tried: str, deadline: float) -> Result:
        return self.inner.run(script, tried=tried, deadline=deadline)

    def put(self, uploads: Sequence[Upload], *, deadline: float, progress: Progress | None = None) -> None:
        self.put_targets += [upload.target for upload in uploads]
        self.inner.put(uploads, deadline=deadline, progress=progress)

    def dial(self, target: Endpoint | str, *, timeout: float) -> socket.socket:
        return self.inner.dial(target, timeout=timeout)

    def close(self) -> None:
        self.inner.close()


@dataclass
class Place:
    """One local node: its site, its one server, what went over its connector."""

    node: Node
    connector: WatchedConnector
    site: NodeSite

    @property
    def server(self) -> Server:
        return self.node.servers[0]

    def claim(self, generation: int = 1, *, record: str = "record-1", cluster: str = "suite") -> None:
        self.site.claim(Owner(cluster, record, generation, "ann@desk", time.time()))

    def path(self, *parts: str) -> Path:
        return Path(self.site.paths.root, *parts)


def make_place(base: Path, runtime_digest: Callable[[str], str], name: str = "one") -> Place:
    """A node below `base` with one server on free ports."""
    server = Server(ServerId(name, "default"), "127.0.0.1", *free_ports(3))
    node = Node(
        name, Connection.LOCAL, "127.0.0.1", "127.0.0.1", servers=(server,), directory=str(base / "distctl")
    )
    connector = WatchedConnector(LocalConnector(node))
    return Place(node, connector, NodeSite(node, connector, "suite", runtime_digest))


def sh(script: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a script as a connector does."""
    return subprocess.run(
        ["sh", "-s"], input=script, capture_output=True, text=True, timeout=seconds, check=False
    )


@dataclass
class Supervised:
    """A unit that runs a small shell script."""

    unit: Unit

    @property
    def folder(self) -> Path:
        return Path(self.unit.folder)

    def sight(self):
        return parse(sh(states(f"{self.unit.root}/units")).stdout)[self.unit.name]

    def pid(self) -> int:
        process = self.sight().process
        return process.pid if process else 0

    def supervisor(self) -> int:
        return int((self.folder / "pid").read_text().split()[1])

    def start(self) -> subprocess.CompletedProcess[str]:
        return sh(start(self.unit))

    def stop(self, seconds: float = 2.0) -> subprocess.CompletedProcess[str]:
        return sh(stop(self.unit, seconds))

    def log(self) -> str:
        return (self.folder / "log").read_text()


def running(text: str) -> Iterator[int]:
    """The living processes whose command line has `text`."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                state = (entry / "stat").read_text().rpartition(") ")[2][0]
            except OSError:
                continue
            if text in line and state not in "ZX":
                yield int(entry.name)


def parent(pid: int) -> int:
    """The parent of a process, 0 when it has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])
    except OSError:
        return 0


def model_folder(folder: Path, number: int, initialize: str = "pass") -> Path:
    """A model for the python backend that answers `number`, after doing `initialize` when it loads."""
    (folder / "1").mkdir(parents=True, exist_ok=True)
    (folder / "config.pbtxt").write_text(CONFIG)
    (folder / "1" / "model.py").write_text(CODE.format(number=number, initialize=initialize))
    return folder
