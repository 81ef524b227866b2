"""Parts of these tests: a stand-in for Triton as a process, a router under test."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from distctl.adapters.haproxy import HaproxyRouter
from distctl.cluster.router import RouterSight, RouterView, Slot, SlotSight, SlotState
from distctl.cluster.spec import ServerId

HERE = Path(__file__).parent
DEADLINE = 15.0
MODELS = ("digits", "seq", "sums")


def call(
    url: str, body: bytes | None = None, headers: dict[str, str] | None = None, timeout: float = 10.0
) -> tuple[int, dict]:
    """One HTTP request; status and JSON answer ({} when there is none)."""
    request = urllib.request.Request(url, data=body, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"{}")


@dataclass
class StandIn:
    """A stand-in process: `server` is its id, `port` its HTTP port, the next one its gRPC port."""

    name: str
    port: int
    models: tuple[str, ...] = MODELS
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def server(self) -> ServerId:
        return ServerId(self.name, "0")

    def slot(self, state: SlotState = SlotState.READY) -> Slot:
        return Slot(self.server, "127.0.0.1", self.port, self.port + 1, state)

    def start(self) -> None:
        assert not self.answers(), f"the port of {self.name} is taken"
        words = [sys.executable, str(HERE / "stand_in.py"), self.name, str(self.port), str(self.port + 1)]
        self.process = subprocess.Popen([*words, *self.models])

    def wait(self) -> None:
        wait_for(self.answers, f"{self.name} to listen")
        assert self.pid() == self.process.pid, "another process listens on the port of this stand-in"

    def pid(self) -> int:
        """The process that answers on the port, by its own word."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/standin/pid", timeout=5) as answer:
            return json.loads(answer.read())

    def answers(self) -> bool:
        try:
            return call(f"http://127.0.0.1:{self.port}/v2/health/ready")[0] == 200
        except OSError:
            return False

    def seen(self) -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/standin/seen", timeout=5) as answer:
            return json.loads(answer.read())

    def control(self) -> list[str]:
        """The paths of Triton's control that ever came."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/standin/control", timeout=5) as answer:
            return json.loads(answer.read())

    def sequences(self) -> tuple[int, int, int]:
        """Sequences of `sums`: open, most that were open at once, STARTs that hung."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/standin/sequences", timeout=5) as answer:
            return tuple(json.loads(answer.read()))

    def pace(self, seconds: float, at_once: int) -> None:
        """How long an inference takes, and how many go on at once."""
        call(f"http://127.0.0.1:{self.port}/standin/pace", json.dumps([seconds, at_once]).encode())

    def load(self, *models: str) -> None:
        call(f"http://127.0.0.1:{self.port}/standin/models", json.dumps(models).encode())

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def wait_for(condition: Callable[[], object], what: str, seconds: float = 15.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"waited {seconds} s for {what}"
        time.sleep(0.02)


@dataclass
class Router:
    """A router under test, and what it was last brought to."""

    control: HaproxyRouter
    view: RouterView
    root: str

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.view.http_port}"

    @property
    def grpc(self) -> str:
        return f"127.0.0.1:{self.view.grpc_port}"

    @property
    def folder(self) -> Path:
        return Path(self.root) / "units" / f"router-{self.view.id.router}"

    def apply(self, deadline: float = DEADLINE) -> str:
        return self.control.apply(self.view, deadline=deadline)

    def set(self, deadline: float = DEADLINE, **states: SlotState) -> str:
        """Bring the slots of these servers to states, in every pool: `set(n1=SlotState.DRAIN)`."""
        pools = (
            replace(p, slots=tuple(replace(s, state=states.get(s.server.node, s.state)) for s in p.slots))
            for p in self.view.pools
        )
        self.view = replace(self.view, pools=tuple(pools))
        return self.apply(deadline)

    def look(self) -> RouterSight:
        sight = self.control.look()
        assert not sight.error, sight.error
        return sight

    def sight(self, node: str, model: str = "digits") -> SlotSight:
        sight = self.look().slot(model, ServerId(node, "0"))
        assert sight is not None
        return sight

    def reload(self) -> None:
        """A reload by a harmless change of the structure."""
        self.view = replace(self.view, replay_limit=self.view.replay_limit - 1024)
        assert self.apply().startswith("reloaded")

    def running(self, node: str) -> bool:
        """Whether HAProxy takes the server for up in any backend."""
        return any(line.running for (_, slot), line in self._lines() if slot == f"{node}.0")

    def running_in(self, backend: str, node: str) -> bool:
        """Whether HAProxy takes the server for up in this backend."""
        return any(line.running for place, line in self._lines() if place == (backend, f"{node}.0"))

    def _lines(self):
        seen = self.control._master.read()
        assert seen is not None
        return seen.worker.lines.items()

    def infer(
        self, model: str = "digits", body: bytes = b'{"inputs":[]}', **headers: str
    ) -> tuple[int, dict]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return call(f"{self.http}/v2/models/{model}/infer", body, named)


@contextlib.contextmanager
def stopped(stand_in: StandIn) -> Iterator[None]:
    """The stand-in hangs meanwhile."""
    stand_in.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        stand_in.signal(signal.SIGCONT)


def workers_of(router: Router) -> tuple[int, ...]:
    sight = router.look()
    return (sight.pid, *sight.old_workers)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
