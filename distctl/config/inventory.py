"""An inventory that has been read: the spec, where the record is, and where each setting came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from distctl.cluster.spec import Endpoint, Spec, StoreSpec


@dataclass(frozen=True, slots=True)
class Origin:
    """Where one setting of one node was decided.

    `value` as it would be written; `level` is `node NAME` or `group NAME` as they stand in the file, `top
    level` or `default`; `line` in the file, 0 for a default.
    """

    value: str
    level: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Inventory:
    """One file that describes one cluster, resolved. `origins` goes by node and dotted key (`ssh.user`).

    `listen` is where its controller answers over HTTP, None for nowhere.
    """

    file: Path
    spec: Spec
    store: StoreSpec
    origins: Mapping[str, Mapping[str, Origin]]
    listen: Endpoint | None = None
