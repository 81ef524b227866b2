"""A model's folder on this machine, read into names, sizes and digests."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from distctl.cluster.content import FileEntry, Folder
from distctl.cluster.needs import LOCK, STUB, Lock
from distctl.commands.files import template
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


def furnished(folder: Folder, lock: Lock) -> Folder:
    """A model's folder with its lock, and the stub that enters the environment which the lock names.

    Raises InputError when the folder brings such files, or an environment, of its own.
    """
    for own in (LOCK, STUB):
        if any(file.path == own for file in folder.files):
            raise InputError(
                f"{folder.root / own}: distctl makes this file for a model with a requirements.txt",
                hint="remove one of the two",
            )
    config = folder.root / "config.pbtxt"
    if config.is_file() and "EXECUTION_ENV_PATH" in config.read_text(encoding="utf-8", errors="replace"):
        raise InputError(
            f"{config}: the model names an environment of its own and has a requirements.txt",
            hint="remove EXECUTION_ENV_PATH or requirements.txt",
        )
    made = {LOCK: lock.text.encode(), STUB: template("triton/stub.sh").encode()}
    entries = [
        FileEntry(name, len(content), hashlib.sha256(content).hexdigest(), name == STUB)
        for name, content in made.items()
    ]
    return Folder(folder.root, tuple(sorted((*folder.files, *entries))), made)


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
