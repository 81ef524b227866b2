"""An operator at a terminal: an inventory of test hosts, and the command `distctl` run as a user would.

The command is a process of its own with a home of its own, so that keys, known_hosts and ssh_config are
those of the test and never those of the account that runs the suite.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from hosts import Host, Hosts

from distctl.adapters.artifacts import default_cache

REPOSITORY = Path(__file__).parents[3] / "model_repo"
PROGRAM = Path(sys.executable).with_name("distctl")
LONGEST = 120.0  # seconds that any command of these tests may take


@dataclass(frozen=True)
class Done:
    """How a command ended. `said` is what a user saw, both streams."""

    status: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def said(self) -> str:
        return self.stdout + self.stderr

    @property
    def document(self) -> dict[str, Any]:
        found = json.loads(self.stdout)
        assert isinstance(found, dict)
        return found


class Operator:
    """Somebody with a checkout: a folder with an inventory, and beside it the record."""

    def __init__(self, hosts: Hosts, folder: Path) -> None:
        self.hosts, self.folder = hosts, folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.inventory = folder / "cluster.yaml"

    def write(
        self,
        nodes: Mapping[str, Mapping[str, Any]],
        *,
        models: Mapping[str, Mapping[str, Any]] | None = None,
        on: Iterable[str] = (),
        router: Mapping[str, Any] | None = None,
        **top: Any,
    ) -> None:
        """Write the inventory; without `on` there is no router. JSON is YAML."""
        routers = {"main": {"on": list(on), **(router or {})}} if on else {}
        document: dict[str, Any] = {
            "version": 1,
            "cluster": "test",
            "ssh": {"user": "root", "key": str(self.hosts.key)},
            "timeouts": {"connect": "3s"},
            **top,
            "nodes": dict(nodes),
            "models": {name: {"source": str(REPOSITORY / name), **m} for name, m in (models or {}).items()},
            "routers": routers,
        }
        self.inventory.write_text(json.dumps(document, indent=1))

    @property
    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.hosts.home),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(REPOSITORY.parent),
            "LANG": "C.UTF-8",
            "DISTCTL_CACHE": str(default_cache()),
        }

    @contextlib.contextmanager
    def controlled(self) -> Iterator[Path]:
        """A controller runs meanwhile; the file gets all that it says, and the test's output its end."""
        log = self.folder / "controller.log"
        with log.open("w") as sink:
            process = self.start("controller", "run", to=sink)
        try:
            yield log
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(60)
            process.kill()
            process.wait()
            print(log.read_text()[-20_000:])

    def start(self, *words: str, to: IO[str] | None = None) -> subprocess.Popen[str]:
        """Begin a command, and do not wait for it; `to` gets both of its streams."""
        return subprocess.Popen(
            [str(PROGRAM), *words, "-i", str(self.inventory)],
            env=self.environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=to or subprocess.PIPE,
            stderr=to or subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str, status: int | None = 0, timeout: float = LONGEST) -> Done:
        """Run a command to its end; `status` is what it must end with, None for anything."""
        began = time.monotonic()
        process = self.start(*words)
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            stdout, stderr = process.communicate()
            raise AssertionError(f"{' '.join(words)}: no end\n{stdout}\n{stderr}") from None
        done = Done(process.returncode, stdout, stderr, time.monotonic() - began)
        if status is not None and done.status != status:
            raise AssertionError(f"{' '.join(words)}: ended with {done.status}\n{done.said}")
        return done

    def status(self) -> dict[str, Any]:
        """The document of `status`."""
        return self.run("status", "-o", "json").document


def wait(what: Callable[[], bool], said: str, seconds: float, told: Callable[[], str] = str) -> float:
    """Seconds until something is so; `told` is what else a reader should see when it never is."""
    begun = time.monotonic()
    while time.monotonic() < begun + seconds:
        if what():
            return time.monotonic() - begun
        time.sleep(0.1)
    raise AssertionError(f"{said}: not within {seconds:g} s\n{told()}")


Operators = Callable[..., Operator]  # what the fixture of that name gives


def nodes_of(hosts: Iterable[Host], **more: Any) -> dict[str, dict[str, Any]]:
    """Hosts as an inventory has them."""
    return {host.name: {"address": host.address, **more} for host in hosts}
