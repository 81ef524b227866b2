"""Content that is pushed to nodes: named by what is in it, so that what is there is never pushed again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class FileEntry:
    """One file of a folder: its path inside it with slashes, its size in bytes, its SHA-256, its run bit."""

    path: str
    size: int
    sha256: str
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder here and all its files, sorted by path. `made` has the bytes of those that are not in it."""

    root: Path
    files: tuple[FileEntry, ...]
    made: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The name of this content: 16 hex digits of the SHA-256 over every path and file digest."""
        lines = (f"{f.sha256} {'x' if f.executable else '-'} {f.path}\n" for f in sorted(self.files))
        return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(file.size for file in self.files)

    def source(self, file: FileEntry) -> Path | bytes:
        """Where the bytes of one of its files are, or the bytes themselves."""
        return self.made.get(file.path, self.root / file.path)


class Kind(str, Enum):
    """What an archive holds. The value is the folder on a node in which it is unpacked."""

    RUNTIME = "runtime"
    ENVIRONMENT = "environments"


@dataclass(frozen=True, slots=True)
class Archive:
    """A .tar.gz here whose unpacked content is called `digest`. Sizes in bytes."""

    path: Path
    digest: str
    size: int
    unpacked: int
    kind: Kind = Kind.RUNTIME
