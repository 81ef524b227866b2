"""Known host keys: read as OpenSSH reads them, written so that two writers lose nothing.

paramiko's own reader drops markers, so that a revoked key would count as known, and its writer rewrites the
whole file without a lock.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from distctl.adapters.ssh.config import matches
from distctl.errors import InputError


@dataclass(frozen=True, slots=True)
class HostKey:
    """A public key: its type and its bytes."""

    kind: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it: SHA256:… without padding."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def __str__(self) -> str:
        return f"{self.kind} {self.fingerprint}"


@dataclass(frozen=True, slots=True)
class Known:
    """What known_hosts has under one name."""

    keys: tuple[HostKey, ...] = ()
    revoked: tuple[HostKey, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """The types of the known keys: a server must be asked for these first, as OpenSSH does."""
        return tuple(dict.fromkeys(key.kind for key in self.keys))


def look_up(files: Iterable[Path], name: str) -> Known:
    """What the files have under a name (`host`, or `[host]:port`). Lines that make no sense are skipped."""
    keys: list[HostKey] = []
    revoked: list[HostKey] = []
    for path in files:
        for marker, key in _named(path, name):
            if marker == "@revoked":
                revoked.append(key)
            elif not marker:  # a @cert-authority signs certificates, which paramiko does not ask for
                keys.append(key)
    return Known(tuple(keys), tuple(revoked))


def line(name: str, key: HostKey) -> str:
    """The line of known_hosts that makes a key known, without an end of line."""
    return f"{name} {key.kind} {base64.b64encode(key.blob).decode()}"


def add(path: Path, name: str, keys: Iterable[HostKey]) -> None:
    """Make keys known under a name, in one append under a lock; keys that are there already are left out.

    A short append is seen whole or not at all by every reader, and keeps the file's links, owner and order.
    Raises InputError where the file cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            have = set(look_up([path], name).keys)
            new = [line(name, key) for key in keys if key not in have]
            if not new:
                return
            file.seek(0)
            text = file.read()
            start = "" if not text or text.endswith(b"\n") else "\n"
            file.write((start + "\n".join(new) + "\n").encode())
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error


def _named(path: Path, name: str) -> Iterator[tuple[str, HostKey]]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    for raw in text.splitlines():
        words = raw.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#") or not _names(words[0], name):  # noqa: PLR2004
            continue
        try:
            yield marker, HostKey(words[1], base64.b64decode(words[2], validate=True))
        except binascii.Error:
            continue


def _names(field: str, name: str) -> bool:
    if not field.startswith("|1|"):
        return matches(field.lower().split(","), name.lower())
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in field[3:].split("|"))
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(hmac.new(salt, name.lower().encode(), hashlib.sha1).digest(), digest)
