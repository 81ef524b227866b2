"""Where a record in a file may be, and who may read it.

SQLite's locks are not to be trusted on network file systems, and its shared memory file does not work there:
such a place is refused. The folder is made for its owner alone, since the record names every machine.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from distctl.errors import StoreDamaged, StoreError

DAMAGED_HINT = (
    "move the file aside and run `distctl up`: it rebuilds the record from the nodes and routers; "
    "or put a backup in its place"
)
HEADER = b"SQLite format 3\0"
SMALLEST = 512  # bytes, of a page, and so of a database

MOUNTS = Path("/proc/mounts")  # Linux alone; elsewhere nothing is known and nothing refused

# https://www.sqlite.org/wal.html ("WAL does not work over a network filesystem") and the types that Linux
# gives to file systems whose other readers may sit on another machine.
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "9p", "afs", "ceph", "beegfs", "lustre", "gpfs", "drvfs"}
    | {"glusterfs", "ocfs2", "gfs2", "vboxsf", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs"}
    | {"fuse.rclone", "fuse.gcsfuse", "fuse.juicefs", "fuse.vmhgfs-fuse"}
)


def file_system(path: PurePosixPath, mounts: str) -> str:
    """The type of the file system that holds `path`, from the text of /proc/mounts; "" if that does not say.

    `path` is absolute and free of symbolic links. The longest mount point wins, and of two mounts on one
    point the later.
    """
    best, kind = -1, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:  # noqa: PLR2004 - device, mount point, type
            continue
        point = PurePosixPath(_unescaped(fields[1]))
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[2]
    return kind


def _unescaped(field: str) -> str:
    """A field of /proc/mounts, where blanks and backslashes stand as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def refuse_network(path: Path, mounts: str) -> None:
    """Raise StoreError if `path` lies on a network file system."""
    kind = file_system(PurePosixPath(os.path.realpath(path)), mounts)
    if kind in NETWORK:
        raise StoreError(
            f"{path}: a record in a file cannot be kept on a network file system ({kind})",
            hint="set `store:` in the inventory to a path on a local disk, or to a PostgreSQL URL",
        )


def prepare(path: Path) -> None:
    """Make the file and its folder, for their owner alone, unless they exist.

    Raises StoreError when that cannot be, or when the place is on a network file system.
    """
    try:
        mounts = MOUNTS.read_text(errors="surrogateescape") if MOUNTS.exists() else ""
        refuse_network(path, mounts)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise unusable(path, error.strerror or str(error)) from error


def writable(path: Path) -> None:
    """Raise StoreError unless file and folder may be written: SQLite keeps its log beside the file."""
    if not path.is_file():
        raise unusable(path, "it is not a file")
    for place in (path, path.parent):
        if not os.access(place, os.W_OK):
            raise unusable(path, f"{place} may not be written by this user")


def recognise(path: Path) -> None:
    """Raise StoreDamaged if the file is neither empty nor a SQLite database.

    SQLite itself takes a file shorter than a page for an empty one, and would write over it.
    """
    try:
        with path.open("rb") as file:
            start = file.read(SMALLEST)
    except OSError as error:
        raise unusable(path, error.strerror or str(error)) from error
    if start and (len(start) < SMALLEST or not start.startswith(HEADER)):
        raise StoreDamaged(f"{path}: the record is damaged: it is not a SQLite database", hint=DAMAGED_HINT)


def unusable(path: Path, problem: str) -> StoreError:
    """The error for a file that cannot be used as it is."""
    return StoreError(
        f"{path}: the record cannot be kept there: {problem}",
        hint="make file and folder writable for this user, or set `store:` in the inventory to another place",
    )
