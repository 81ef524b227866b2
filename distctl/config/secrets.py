"""Secrets: read at the moment they are needed, never kept, never printed.

The inventory names only the place of a secret. What is read is a `Secret`, which prints as [REDACTED]
wherever it is formatted by accident: in a log line, an error, a repr.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from distctl.cluster.spec import SecretRef
from distctl.errors import InputError

LARGEST = 64 * 1024  # bytes
PATIENCE = 60.0  # seconds for a command: time to type a passphrase


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A secret that was read. No str, so that it cannot end in a text by mistake: `reveal` is explicit."""

    _value: str

    def __repr__(self) -> str:
        return "[REDACTED]"

    __str__ = __repr__

    def reveal(self) -> str:
        """The secret itself."""
        return self._value


def run_command(command: Sequence[str], folder: Path) -> bytes:
    """What a secret's command prints. Raises InputError when it fails or takes longer than a minute."""
    shown = command[0]  # arguments may say more than they should
    try:
        done = subprocess.run(
            list(command),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise InputError(
            f"the secret's command `{shown}` did not end within {PATIENCE:g} s", hint="run it by hand once"
        ) from exc
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise InputError(
            f"the secret's command `{shown}` cannot be run: {reason}", hint="is it installed?"
        ) from exc
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        last = f": {said[-1]}" if said else ""
        raise InputError(
            f"the secret's command `{shown}` ended with {done.returncode}{last}", hint="run it by hand"
        )
    return done.stdout


def resolve(ref: SecretRef, base: Path, *, warn: Callable[[str], None] = lambda _: None) -> str:
    """The secret itself, for the one call that needs it; see `read`. Raises InputError."""
    return read(ref, base, warn=warn).reveal()


def read(
    ref: SecretRef,
    base: Path,
    *,
    environ: Mapping[str, str] | None = None,
    run: Callable[[Sequence[str], Path], bytes] = run_command,
    warn: Callable[[str], None] = lambda _: None,
) -> Secret:
    """Read a secret from its place. `base` is the inventory's folder: files and commands are relative to it.

    `warn` is told of a file that others can read, each time.
    One line break at the end is dropped. Raises InputError when there is nothing, or more than one line.
    """
    return _sole_line(*_text(ref, base, os.environ if environ is None else environ, run, warn))


def read_document(ref: SecretRef, base: Path) -> Secret:
    """The same for a secret of several lines, such as a private key in PEM. Raises InputError."""
    text, name = _text(ref, base, os.environ, run_command, lambda _: None)
    if not text.strip():
        raise InputError(f"{name} is empty")
    return Secret(text)


def _text(
    ref: SecretRef,
    base: Path,
    environ: Mapping[str, str],
    run: Callable[[Sequence[str], Path], bytes],
    warn: Callable[[str], None],
) -> tuple[str, str]:
    """What stands at a secret's place, and what messages call that place."""
    if ref.kind == "env":
        return _variable(ref.value[0], environ), f"${ref.value[0]}"
    if ref.kind == "file":
        file = base / Path(os.path.expanduser(ref.value[0]))  # noqa: PTH111 - no error without a home
        return _decoded(_content(file, warn), str(file)), str(file)
    name = f"the output of `{ref.value[0]}`"
    return _decoded(run(ref.value, base), name), name


def _variable(name: str, environ: Mapping[str, str]) -> str:
    if name not in environ:
        raise InputError(
            f"the environment variable {name} is not set", hint=f"read -rs {name} && export {name}"
        )
    return environ[name]


def _content(file: Path, warn: Callable[[str], None]) -> bytes:
    try:
        with file.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            raw = stream.read(LARGEST + 1)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise InputError(f"the secret's file {file} cannot be read: {reason}") from exc
    if stat.S_ISREG(mode) and mode & 0o077:
        # Not refused: secrets that a container engine mounts look like this.
        warn(f"{file} can be read by others: chmod 600 {file}")
    return raw


def _decoded(raw: bytes, name: str) -> str:
    if len(raw) > LARGEST:
        raise InputError(f"{name} is larger than {LARGEST // 1024} KiB: that is no password")
    try:
        return raw.decode()
    except UnicodeDecodeError as exc:
        raise InputError(f"{name} is not UTF-8") from exc


def _sole_line(text: str, name: str) -> Secret:
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise InputError(f"{name} is empty")
    if "\n" in text or "\0" in text:
        raise InputError(f"{name} has more than one line", hint='command: [sh, -c, "... | head -n 1"]')
    return Secret(text)
