"""A desk: a test host from which a cluster is operated, with this checkout, an inventory and a controller."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from subprocess import CompletedProcess
from typing import Any

from command import PROGRAM, REPOSITORY, Operator
from hosts import Hosts

from distctl.adapters.artifacts import default_cache

FOLDER = "/srv/desk"
LONGEST = 120.0  # seconds that a command may take


class Desk:
    """One of them. A file that the operator would have beside the inventory is put there by `files`."""

    def __init__(self, hosts: Hosts, name: str, *, systemd: bool = False) -> None:
        python = (sys.base_prefix, sys.prefix, REPOSITORY.parent, default_cache(), hosts.home)
        shared = [path for path in dict.fromkeys(map(str, python)) if not path.startswith("/usr")]
        self.name, self.host = name, hosts.add(name, systemd=systemd, shared=shared)
        environment = {"HOME": hosts.home, "DISTCTL_CACHE": default_cache(), "PYTHONDONTWRITEBYTECODE": "1"}
        self._environment = " ".join(f"{key}={value}" for key, value in environment.items())
        self._pid, self._run = 0, 0

    def furnish(self, operator: Operator, files: Mapping[str, str] | None = None) -> None:
        """Give it the operator's inventory."""
        self.host.write(f"{FOLDER}/cluster.yaml", operator.inventory.read_text())
        for name, text in (files or {}).items():
            self.host.write(f"{FOLDER}/{name}", text, 0o600)

    def run(self, *words: str, check: bool = True) -> CompletedProcess[str]:
        """A command to its end. Raises AssertionError with what it said when it failed."""
        done = self.host.run(self._command(*words), check=False, timeout=LONGEST)
        assert not check or done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def status(self) -> dict[str, Any]:
        """The document of `status`."""
        found = json.loads(self.run("status", "-o", "json").stdout)
        assert isinstance(found, dict)
        return found

    def _command(self, *words: str) -> str:
        return f"cd {FOLDER} && env {self._environment} {PROGRAM} {' '.join(words)}"

    # --- its controller

    def begin(self) -> None:
        """Start a controller, with a log of its own."""
        self._run += 1
        command = self._command("controller", "run", "-o", "json")
        begun = self.host.run(f"{command} >{self._log} 2>&1 </dev/null & echo $!")
        self._pid = int(begun.stdout)

    def signal(self, name: str) -> None:
        """Send its process a signal: KILL, STOP, CONT, TERM."""
        self.host.run(f"kill -{name} {self._pid}")

    def end(self) -> None:
        """Let it end by itself."""
        self.host.run(f"kill -TERM {self._pid}; timeout 30 tail --pid={self._pid} -f /dev/null", check=False)

    @property
    def _log(self) -> str:
        return f"{FOLDER}/controller-{self._run}.jsonl"

    def heard(self, *kinds: str) -> list[tuple[str, str]]:
        """What this controller said so far of some kinds: kind and text."""
        lines = self.host.read(self._log).decode().splitlines()
        said = [json.loads(line) for line in lines if line.startswith("{")]
        return [(line["kind"], line["text"]) for line in said if line["kind"] in kinds]

    def said(self, kind: str) -> list[str]:
        """The texts of one kind."""
        return [text for _, text in self.heard(kind)]

    @property
    def leads(self) -> bool:
        """Whether it said last that it leads."""
        return [kind for kind, _ in self.heard("leading", "standby")][-1:] == ["leading"]

    @property
    def stands_by(self) -> bool:
        """Whether it said last that another one leads."""
        return [kind for kind, _ in self.heard("leading", "standby")][-1:] == ["standby"]

    def log(self) -> str:
        """All that it said, to be shown when a test fails."""
        return self.host.read(self._log).decode()[-8000:]
