"""A model's folder on this machine, read into names, sizes and digests."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from distctl.cluster.content import FileEntry, Folder
from distctl.errors import InputError

IGNORED = frozenset({"__pycache__", ".git", ".DS_Store", "samples"})  # what Triton has no use for


def read_folder(root: Path) -> Folder:
    """Every file below `root` with its SHA-256. Links are followed to files; what is neither is refused.

    Raises InputError when the folder or a file in it cannot be read, or when it is empty.
    """
    try:
        entries = tuple(_entry(root, path) for path in sorted(root.rglob("*")) if _counts(root, path))
    except OSError as error:
        raise InputError(f"{error.filename or root}: {error.strerror}") from error
    if not entries:
        raise InputError(f"{root}: no file in it", hint="a model folder holds config.pbtxt and 1/")
    return Folder(root, entries)


def _counts(root: Path, path: Path) -> bool:
    return path.is_file() and not IGNORED & set(path.relative_to(root).parts)


def _entry(root: Path, path: Path) -> FileEntry:
    status = path.stat()
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return FileEntry(
        path.relative_to(root).as_posix(), status.st_size, digest.hexdigest(), os.access(path, os.X_OK)
    )
