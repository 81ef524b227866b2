"""Where everything of distctl lies on a node: one folder per cluster, user and node."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from distctl.cluster.content import Kind

HOME_FOLDER = ".local/share/distctl"
SYSTEM_FOLDER = "/var/lib/distctl"


@dataclass(frozen=True, slots=True)
class NodePaths:
    """The layout below `root`, an absolute path on the node."""

    root: str

    @property
    def owner(self) -> str:
        """The owner file."""
        return f"{self.root}/owner"

    @property
    def lock(self) -> str:
        """What flock(1) locks."""
        return f"{self.root}/lock"

    @property
    def runtimes(self) -> str:
        """The folder of every runtime."""
        return f"{self.root}/runtime"

    def runtime(self, digest: str) -> str:
        """One unpacked runtime; present only when whole."""
        return f"{self.runtimes}/{digest}"

    @property
    def environments(self) -> str:
        """The folder of every environment of models with needs."""
        return f"{self.root}/environments"

    def unpacked(self, kind: Kind, digest: str) -> str:
        """The content of one archive; present only when whole."""
        return f"{self.root}/{kind.value}/{digest}"

    @property
    def models(self) -> str:
        """The folder of every stored model."""
        return f"{self.root}/models"

    def model(self, model: str, digest: str) -> str:
        """One version of a model's content; present only when whole."""
        return f"{self.models}/{model}/{digest}"

    @property
    def uploads(self) -> str:
        """What is on its way: nothing in it is ever used in place."""
        return f"{self.root}/uploads"

    def incoming(self, run: str) -> str:
        """Where one run puts what it copies."""
        return f"{self.uploads}/{run}"

    @property
    def units(self) -> str:
        """The folder of every unit."""
        return f"{self.root}/units"

    def unit(self, name: str) -> str:
        """One unit's folder."""
        return f"{self.units}/{name}"

    def repository(self, unit: str) -> str:
        """The model repository that a server's unit reads."""
        return f"{self.unit(unit)}/repository"

    def key(self, unit: str) -> str:
        """The file with the key of a server's restricted API."""
        return f"{self.unit(unit)}/key"

    @property
    def tag(self) -> str:
        """`CLUSTER-NODE`: names what distctl must put outside of the root (systemd units)."""
        path = PurePosixPath(self.root)
        return f"{path.parent.name}-{path.name}"


def default_root(
    cluster: str, node: str, *, home: str, directory: str | None = None, become: bool = False
) -> str:
    """The root of a node: below `directory` if the inventory names one, else root's place or the account's.

    `home` is the account's home folder on the node.
    """
    base = directory or (SYSTEM_FOLDER if become else f"{home.rstrip('/')}/{HOME_FOLDER}")
    if base == "~" or base.startswith("~/"):
        base = home.rstrip("/") + base[1:]
    return f"{base.rstrip('/')}/{cluster}/{node}"
