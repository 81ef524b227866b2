"""Wheels, opened and packed into archives that are the same bytes each time."""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from distctl.errors import DistctlError


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive: its path there, where its bytes are, and whether it is run."""

    name: str
    wheel: zipfile.ZipFile
    source: str
    executable: bool = False


def opened(wheel: Path) -> zipfile.ZipFile:
    """A wheel to read from. Raises DistctlError when it is none."""
    try:
        return zipfile.ZipFile(wheel)
    except (OSError, zipfile.BadZipFile) as error:
        raise DistctlError(
            f"{wheel} is no wheel: {error}", hint="remove it and run the command again"
        ) from error


def files(wheel: zipfile.ZipFile) -> Iterator[str]:
    """The paths of a wheel's files."""
    return (info.filename for info in wheel.infolist() if not info.is_dir())


def pack(members: Iterable[Member], path: Path) -> int:
    """Write a .tar.gz with the same bytes each time; return the bytes that it unpacks to."""
    unpacked = 0
    beside = path.with_suffix(f".{os.getpid()}.part")
    with (
        beside.open("wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        for member in members:
            info = tarfile.TarInfo(member.name)
            info.size = member.wheel.getinfo(member.source).file_size
            info.mode = 0o755 if member.executable else 0o644
            unpacked += info.size
            with member.wheel.open(member.source) as content:
                archive.addfile(info, content)
    beside.replace(path)
    return unpacked


def sha256_of(file: IO[bytes]) -> str:
    """The SHA-256 of what is left to read of a file."""
    found = hashlib.sha256()
    for block in iter(lambda: file.read(1 << 20), b""):
        found.update(block)
    return found.hexdigest()
