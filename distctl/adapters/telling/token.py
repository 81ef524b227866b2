"""The token of a controller's page: made once, random, in a file that its owner alone may read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from distctl.errors import DistctlError

BYTES = 32  # of randomness


def token_of(file: Path) -> str:
    """The token in a file, made if there is none; one that others could read is replaced.

    Raises DistctlError when the file can neither be read nor written.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _kept(file) or _new(file)
    except OSError as error:
        why = error.strerror or str(error)
        raise DistctlError(
            f"{file}: no token can be kept there: {why}", hint=f"ls -l {file.parent}"
        ) from error


def _kept(file: Path) -> str:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return ""
    with os.fdopen(descriptor) as opened:
        private = not os.fstat(descriptor).st_mode & 0o077
        return opened.read().strip() if private else ""


def _new(file: Path) -> str:
    """Written beside and linked or renamed, so that of two controllers that begin at once one wins."""
    token = secrets.token_urlsafe(BYTES)
    beside = file.with_name(f"{file.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(token + "\n")
    try:
        os.link(beside, file)
    except FileExistsError:
        if found := _kept(file):
            return found
        beside.replace(file)
        return token
    finally:
        beside.unlink(missing_ok=True)
    return token
