"""A cluster on this machine that is made, broken and taken down by the real command line.

Nodes have `connection: local`, each with a Triton of its own; the router is one HAProxy. Every command runs
as a process of its own, as an operator's would, so that it can be interrupted and killed like one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from load import Load

PROJECT = Path(__file__).parents[2]
BASE = Path.home() / ".cache/distctl-test"  # never /tmp: nothing runs from there
COMMAND = [str(Path(sys.executable).with_name("distctl"))]
SHM = Path("/dev/shm")
FIRST_PORT, LAST_PORT = 25000, 25990


@dataclass(frozen=True)
class Ran:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        found = json.loads(self.out)
        assert found["schema_version"] == 1, found
        return found  # type: ignore[no-any-return]


class LocalCluster:
    """One inventory with its own folder, ports and record.

    `models` maps a name to a number of replicas, or to a mapping of the inventory's own keys; a folder is
    looked for in model_repo and in tests/models and copied, so that a test may change it.
    """

    def __init__(
        self,
        *,
        nodes: int = 2,
        models: Mapping[str, int | dict[str, Any]],
        settings: Mapping[str, Any] | None = None,
        node_settings: Mapping[str, Mapping[str, Any]] | None = None,
        router: Mapping[str, Any] | None = None,
    ) -> None:
        self.block, first_port = _block()
        apart = min(10, 30 // nodes)  # so that the last node's ports are of this block too
        self.name = f"test-{first_port}-{secrets.token_hex(2)}"
        self.folder = BASE / self.name
        self.folder.mkdir(parents=True)
        self.file = self.folder / "cluster.yaml"
        self.nodes = [f"n{number + 1}" for number in range(nodes)]
        self.ports = {"http": first_port, "grpc": first_port + 1, "metrics": first_port + 2}
        self.spec: dict[str, Any] = {
            "version": 1,
            "cluster": self.name,
            "directory": str(self.folder / "nodes"),
            **(settings or {}),
            "nodes": {
                name: {
                    "connection": "local",
                    "servers": {"ports": first_port + apart * (number + 1)},
                    **(node_settings or {}).get(name, {}),
                }
                for number, name in enumerate(self.nodes)
            },
            "models": {},
            "routers": {"main": {"on": ["local"], "ports": self.ports, **(router or {})}},
        }
        self.add(models)

    # --- the inventory ------------------------------------------------------------------------------

    def add(self, models: Mapping[str, int | dict[str, Any]]) -> None:
        """Put models into the inventory."""
        for name, how in models.items():
            own = {"replicas": how} if isinstance(how, int) else dict(how)
            self.spec["models"][name] = {"source": str(self.model(name)), **own}
        self.write()

    def write(self) -> None:
        """Write the inventory: JSON is YAML."""
        self.file.write_text(json.dumps(self.spec, indent=1))

    def model(self, name: str) -> Path:
        """This cluster's own copy of a model's folder."""
        copy = self.folder / "models" / name
        if not copy.exists():
            source = next(
                found
                for repository in (PROJECT / "model_repo", PROJECT / "tests/models")
                if (found := repository / name).is_dir()
            )
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        return copy

    def root(self, node: str) -> Path:
        """What distctl has on a node."""
        return self.folder / "nodes" / self.name / node

    # --- the command line ---------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """What every command is run in."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("DISTCTL_")}
        cache = {k: v for k, v in os.environ.items() if k == "DISTCTL_CACHE"}
        path = {"PATH": f"{self.tools}:{os.environ['PATH']}"}
        return {**kept, **cache, **path, "DISTCTL_INVENTORY": str(self.file), "NO_COLOR": "1"}

    @property
    def tools(self) -> Path:
        """A folder of programs that its nodes find before their own."""
        return self.folder / "tools"

    def begin(self, *words: str, **how: Any) -> subprocess.Popen[str]:
        """Begin a command; its output is piped."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [*COMMAND, *words],
            stdin=subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            text=True,
            env=self.environment,
            start_new_session=True,
            cwd=self.folder,
            **how,
        )

    def run(self, *words: str, check: int | None = 0, timeout: float = 120) -> Ran:
        """Run a command to its end; `check` is the exit code that it must have, None for any."""
        with self.begin(*words) as process:
            try:
                out, err = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                out, err = process.communicate()
                raise AssertionError(f"distctl {' '.join(words)}: no end\n{out}\n{err}") from None
        ran = Ran(process.returncode, out, err)
        assert check is None or ran.code == check, f"distctl {' '.join(words)}: {ran}"
        return ran

    def json(self, *words: str, check: int | None = 0) -> dict[str, Any]:
        """The document that a command prints with `-o json`."""
        return self.run(*words, "-o", "json", check=check).document

    def up(self, *words: str, check: int | None = 0) -> Ran:
        """`up`, without a question."""
        return self.run("up", "-y", *words, check=check)

    def nothing_to_do(self) -> None:
        """Fail unless the cluster is what the inventory says, by the plan and by what it serves."""
        ran = self.run("plan", "--detailed-exitcode")
        assert "Plan: 0 to add, 0 to update, 0 to remove" in ran.out, ran.out
        self.run("status", "--check", "--wait", "20s")

    # --- what runs ----------------------------------------------------------------------------------

    def load(self, *clients: str, **how: Any) -> Load:
        """Verified load on the router."""
        return Load(self.ports["http"], self.ports["grpc"], *clients, **how)

    def process(self, place: str, unit: str = "server-0") -> int:
        """The pid of a unit's process, 0 when there is none."""
        return self._identity(place, unit, "process")

    def supervisor(self, place: str, unit: str = "server-0") -> int:
        """The pid of what supervises it, 0 when there is none."""
        return self._identity(place, unit, "supervisor")

    def _identity(self, place: str, unit: str, key: str) -> int:
        with contextlib.suppress(FileNotFoundError):
            for line in (self.root(place) / "units" / unit / "pid").read_text().splitlines():
                name, _, value = line.partition("=")
                if name == key and value:
                    return int(value.split()[1])
        return 0

    def kill(self, node: str, number: int = signal.SIGKILL) -> float:
        """Send a signal to the Triton of a node; what comes back is the instant (`time.time()`)."""
        deadline = time.monotonic() + 10
        while True:
            try:
                pid = self.process(node)
                assert pid, f"{node} has no process"
                os.kill(pid, number)
                return time.time()
            except ProcessLookupError:  # it ended by itself, and its supervisor is about to start it again
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def serves(self, node: str, model: str) -> bool:
        """Whether the router sends a model's requests to a node, by `status`."""
        found = self.json("status")
        entry = next(n for n in found["nodes"] if n["node"] == node)
        return any(model in s["ready"] for s in entry["observed"]["servers"])

    def wait_whole(self, seconds: float = 60.0) -> None:
        """Until every replica serves again, as the routers themselves see it."""
        self.run("status", "--check", "--wait", f"{seconds:g}s", timeout=seconds + 30)

    # --- the end ------------------------------------------------------------------------------------

    def down(self) -> None:
        """Take it down by its own command and fail when anything is left; clean up in any case."""
        try:
            if any(self.root(place).exists() for place in (*self.nodes, "local")):
                self.write()
                self.run("down", "-y", "--force", "--timeout", "5s", "--lease-wait", "40s", timeout=180)
            # A supervisor's last `sleep` may outlive it by a moment.
            wait_until(lambda: not list(self.leftovers()), "nothing is left after `down`", 3.0)
        finally:
            self.sweep()

    def leftovers(self) -> Iterator[str]:
        """Processes, shared memory and folders that name this cluster."""
        yield from (f"process {pid}: {words}" for pid, words in self.processes())
        yield from (f"folder {self.root(p)}" for p in (*self.nodes, "local") if self.root(p).exists())
        yield from (f"memory {path}" for path in SHM.iterdir() if self._mine(path))

    def processes(self) -> Iterator[tuple[int, str]]:
        """Processes whose words or folder name this cluster: pid and words."""
        yield from _processes(self.name)

    def _mine(self, path: Path) -> bool:
        return any(path.name.startswith(prefix) for prefix in self.memory)

    @property
    def memory(self) -> list[str]:
        """What the names of this cluster's shared memory begin with."""
        from distctl.cluster.spec import Server, ServerId
        from distctl.commands.triton import memory_prefix

        return [
            memory_prefix(str(self.root(node)), Server(ServerId(node, str(number)), "127.0.0.1", 1, 2, 3))
            for node in self.nodes
            for number in range(4)
        ]

    def sweep(self) -> None:
        """Remove everything without asking distctl: the last resort."""
        _end_all(self.name)
        for path in SHM.iterdir():
            if self._mine(path):
                path.unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def _processes(name: str) -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if name in words or name in str((entry / "cwd").readlink()):
                yield int(entry.name), words


def _end_all(name: str) -> None:
    """Kill what runs under a cluster's name; supervisors may start something in between."""
    for _ in range(3):
        for pid, _words in _processes(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _block() -> tuple[IO[str], int]:
    """Forty ports that no other run of the suite has: the open lock of the block, and its first port.

    What an earlier run left in the block, since it was killed, is swept first.
    """
    locks = BASE / "ports"
    locks.mkdir(parents=True, exist_ok=True)
    for first in range(FIRST_PORT, LAST_PORT, 40):
        lock = (locks / str(first)).open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        _end_all(f"test-{first}-")
        for old in BASE.glob(f"test-{first}-*"):
            shutil.rmtree(old, ignore_errors=True)
        return lock, first
    raise AssertionError("every block of ports is taken by another run")


def wait_until(what: Callable[[], object], said: str, seconds: float = 20.0) -> None:
    """Wait for something to become true; fail with its name."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if what():
            return
        time.sleep(0.05)
    raise AssertionError(f"{said}: not within {seconds:g} s")


@contextlib.contextmanager
def local_cluster(**how: Any) -> Iterator[LocalCluster]:
    """A cluster that is taken down at the end, whatever happens; nothing of it is up yet."""
    cluster = LocalCluster(**how)
    try:
        try:
            yield cluster
        except BaseException:
            cluster.sweep()
            raise
        cluster.down()
    finally:
        cluster.block.close()


def said_in_order(text: str, words: Sequence[str]) -> bool:
    """Whether some words stand in a text in that order."""
    at = 0
    for word in words:
        at = text.find(word, at)
        if at < 0:
            return False
    return True
