"""Real podman for tests: a storage of the suite's own, and settings without which it runs on few machines.

Its images stay between runs (an image is pulled once), its containers do not: each test removes its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

BASE = Path.home() / ".cache/distctl-test/podman"
NEEDED = ("podman", "runc", "docker-registry")
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"

# Machines of continuous integration rarely have what podman wants by default: rights above their own limits
# (CAP_SYS_RESOURCE), control groups of their own, crun under hybrid control groups.
CONTAINERS = """\
[containers]
default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


def missing() -> str:
    """Why podman cannot be had here; empty when it can."""
    if os.geteuid() != 0:
        return "the suite's podman needs root"
    lacking = [tool for tool in NEEDED if not shutil.which(tool, path=PATH)]
    return f"containers need {', '.join(lacking)} (apt-get install {' '.join(lacking)})" if lacking else ""


def storage(graph: str, run: str) -> str:
    """A storage.conf."""
    return f'[storage]\ndriver = "overlay"\ngraphroot = "{graph}"\nrunroot = "{run}"\n'


def registries(addresses: Iterable[str]) -> str:
    """A registries.conf in which these registries speak plain HTTP."""
    return "".join(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n' for address in addresses)


@dataclass(frozen=True)
class Podman:
    """podman with settings in a folder of its own; `environment` is what makes a process use them."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(self.folder / "registries.conf"),
        }

    def run(self, *words: str, check: bool = True, timeout: float = 60) -> str:
        """What podman prints."""
        done = subprocess.run(
            ["podman", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            env={**os.environ, **self.environment},
        )
        assert not check or done.returncode == 0, f"podman {' '.join(words)}: {done.stderr}"
        return done.stdout

    def labels(self, container: str) -> dict[str, str]:
        """What a container carries."""
        found = json.loads(self.run("inspect", container))[0]["Config"]["Labels"]
        assert isinstance(found, dict)
        return found

    def containers(self, label: str) -> list[str]:
        """The ids of the containers with a label, running or not."""
        return self.run("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={label}").split()

    def images(self, address: str) -> set[str]:
        """The ids of the images of a registry."""
        return {id_ for id_, _ in self._named(address)}

    def keep(self, address: str) -> None:
        """Remove the images of a registry, but keep their layers: the next run pulls them in no time.

        An image may have names of another registry too, whose tests run beside these: they stay.
        """
        for id_, name in self._named(address):
            self.run("tag", id_, "localhost/suite:kept")
            self.run("untag", id_, name)

    def _named(self, address: str) -> list[tuple[str, str]]:
        """The names that a registry gave to images, each after the image's id.

        The table of `podman images` has no line for the digest of an image that has a tag as well.
        """
        found = json.loads(self.run("images", "--format", "json"))
        return [(i["Id"], name) for i in found for name in i.get("Names", ()) if name.startswith(address)]

    def remove(self, label: str) -> None:
        """End and remove every container with a label."""
        if found := self.containers(label):
            self.run("rm", "--force", "--time", "0", *found)


def podman(folder: Path, *addresses: str, graph: Path | None = None) -> Podman:
    """podman that reaches these registries, with the suite's storage or one of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    base = graph or BASE
    (folder / "containers.conf").write_text(CONTAINERS)
    (folder / "storage.conf").write_text(storage(str(base / "graph"), str(base / "run")))
    (folder / "registries.conf").write_text(registries(addresses))
    return Podman(folder)
