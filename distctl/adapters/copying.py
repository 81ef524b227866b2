"""What copying files to a node has in common over ssh and on this machine."""

from __future__ import annotations

import errno
import hashlib
import shlex
from collections.abc import Sequence
from pathlib import PurePosixPath

from distctl.adapters.shell import Dialogue
from distctl.errors import NodeError
from distctl.ports import Upload

_FULL = (errno.ENOSPC, errno.EDQUOT)


def size_of(upload: Upload) -> int:
    """The bytes of one upload. Raises OSError when its source is missing."""
    return len(upload.source) if isinstance(upload.source, bytes) else upload.source.stat().st_size


def part_name(upload: Upload) -> str:
    """Where a copy grows: beside its target, named after the content.

    A cut copy is resumed by the size of this file, so other content must never find it: bytes are named by
    their digest, files by path, size and time of change (in ns).
    """
    if isinstance(upload.source, bytes):
        identity = upload.source
    else:
        seen = upload.source.stat()
        identity = f"{upload.source.resolve()}\0{seen.st_size}\0{seen.st_mtime_ns}".encode()
    target = PurePosixPath(upload.target)
    return str(target.with_name(f".{target.name[:180]}.{hashlib.sha256(identity).hexdigest()[:12]}.part"))


def placing(staged: Sequence[tuple[str, Upload]]) -> str:
    """The script that root runs to put staged copies in their places: beside the target, then renamed."""
    lines = ["set -e", "umask 022"]
    for path, upload in staged:
        source, target = shlex.quote(path), shlex.quote(upload.target)
        part = shlex.quote(part_name(upload))
        lines += [
            f"mkdir -p -- {shlex.quote(str(PurePosixPath(upload.target).parent))}",
            f"cp -- {source} {part} || {{ rm -f -- {part}; exit 1; }}",
            f"chmod {upload.mode:o} -- {part}",
            f"mv -f -- {part} {target}",
            f"rm -f -- {source}",
        ]
    return "\n".join(lines)


def copy_failed(node: str, target: str, error: OSError) -> NodeError:
    """A failed copy in words, with what to do where that is known."""
    if error.errno in _FULL:
        return NodeError(
            node,
            f"copying {target}",
            "the disk is full",
            hint=f"free space on the file system of {target}, or set `directory` of {node} to another one",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return NodeError(
            node,
            f"copying {target}",
            "permission denied",
            hint=f"set `ssh.become` or another `directory` for {node}",
        )
    return NodeError(node, f"copying {target}", error.strerror or str(error))


def become_refused(node: str, tried: str, dialogue: Dialogue) -> NodeError:
    """Sudo did not start a root shell: its words, and what to set."""
    said = dialogue.refusal()
    if dialogue.refused:
        return NodeError(
            node, tried, "sudo refused the password", output=said, hint="check `ssh.become.password`"
        )
    hint = (
        f"allow sudo without a password on {node}, or set `ssh.become.password`"
        if dialogue.password is None
        else f"try `sudo -v` on {node} by hand"
    )
    return NodeError(
        node, tried, "sudo started no shell" + (f": {said[-1]}" if said else ""), output=said, hint=hint
    )
