"""Copies to a node over SFTP: where each grows, what is resumed, and how its place is taken."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from distctl.adapters.copying import part_name, size_of
from distctl.adapters.ssh import sftp
from distctl.adapters.ssh.sftp import SETTLED, Code, Job, Kind, Request, Session, StatusError
from distctl.adapters.ssh.wire import Reader
from distctl.ports import Upload

STAGING = ".distctl-staging"  # in the login user's home, for copies that root will move
_CHUNK = 32 * 1024  # bytes: what every SFTP server takes
_RESUMED = 1024 * 1024  # bytes from which on a cut copy is looked for
_RENAME, _FSYNC, _STATVFS = "posix-rename@openssh.com", "fsync@openssh.com", "statvfs@openssh.com"

Count = Callable[[int], None]
Steps = Generator[Request, Reader, None]


class CopyError(Exception):
    """One copy failed on the node (or its source here), while the connection is sound."""

    def __init__(self, target: str, cause: OSError) -> None:
        super().__init__(target)
        self.target, self.cause = target, cause


@dataclass(frozen=True, slots=True)
class Copy:
    """One upload and the path it has after the copy: its target, or a place in the staging folder."""

    upload: Upload
    path: str

    @property
    def part(self) -> str:
        """Where it grows."""
        return part_name(Upload(self.upload.source, self.path))


def staged(uploads: Sequence[Upload], home: str) -> list[Copy]:
    """Copies in the staging folder, named by target and content, so that a cut one is found again."""
    folder = PurePosixPath(home) / STAGING
    return [
        Copy(upload, str(folder / hashlib.sha256(part_name(upload).encode()).hexdigest()[:24]))
        for upload in uploads
    ]


def home(session: Session) -> str:
    """The login user's home, absolute."""
    answer: list[str] = []

    def job() -> Job:
        names = yield sftp.by_path(Kind.REALPATH, ".")
        names.u32()
        answer.append(names.string().decode())

    session.drive(iter([job()]))
    return answer[0]


def make_private(session: Session, folder: str) -> None:
    """Make a folder that only the login user may enter, unless it is there."""

    def job() -> Job:
        try:
            yield sftp.mkdir(folder, 0o700)
        except StatusError as error:
            if error.code != Code.FAILURE:  # which is how version 3 says that it exists
                raise CopyError(folder, OSError(_errno(error), str(error))) from error

    session.drive(iter([job()]))


def total_of(uploads: Sequence[Upload]) -> int:
    """The bytes of all uploads. Raises CopyError for a source that is not there."""
    total = 0
    for upload in uploads:
        try:
            total += size_of(upload)
        except OSError as error:
            raise CopyError(upload.target, error) from error
    return total


def copy_all(session: Session, copies: Sequence[Copy], count: Count) -> None:
    """Copy everything. `count` is told of bytes as they are taken, resumed ones too.

    Raises CopyError with ENOSPC, EACCES or the like, and what `Session.drive` raises.
    """
    session.drive(_copy(session, copy, count) for copy in copies)


def _copy(session: Session, copy: Copy, count: Count) -> Steps:
    try:
        yield from _grow(session, copy, count)
        yield from _take_place(session, copy)
    except StatusError as error:
        code = _errno(error)
        if error.code == Code.FAILURE and (yield from _is_full(session, copy)):
            code = errno.ENOSPC
            yield from _forget(copy.part)
        raise CopyError(copy.upload.target, OSError(code, _words(code, error))) from error


def _grow(session: Session, copy: Copy, count: Count) -> Steps:
    total = size_of(copy.upload)
    resumable = total >= _RESUMED
    handle = yield from _open(copy.part, fresh=not resumable)
    try:
        with _reading(copy.upload) as source:
            offset = 0
            if resumable:
                seen = sftp.size_in((yield sftp.by_handle(Kind.FSTAT, handle)))
                offset = source.seek(seen if seen <= total else 0)
            count(offset)
            while chunk := source.read(_CHUNK):
                yield sftp.writing(handle, offset, chunk)
                offset += len(chunk)
                count(len(chunk))
        yield SETTLED
        yield sftp.chmod(handle, copy.upload.mode)
        if _FSYNC in session.extensions:
            yield sftp.extended(_FSYNC, handle)
    except StatusError:
        yield sftp.by_handle(Kind.CLOSE, handle)
        raise
    yield sftp.by_handle(Kind.CLOSE, handle)


def _open(part: str, *, fresh: bool) -> Generator[Request, Reader, bytes]:
    try:
        return (yield sftp.opening(part, fresh=fresh)).string()
    except StatusError as error:
        if error.code != Code.NO_SUCH_FILE:
            raise
    yield from _make_parents(part)
    return (yield sftp.opening(part, fresh=fresh)).string()


def _make_parents(path: str) -> Steps:
    """From the top down; what exists already answers FAILURE, and the open that follows tells of the rest."""
    for folder in reversed(PurePosixPath(path).parents[:-1]):
        try:
            yield sftp.mkdir(str(folder), 0o755)
        except StatusError:
            continue


def _take_place(session: Session, copy: Copy) -> Steps:
    if _RENAME in session.extensions:
        yield sftp.extended(_RENAME, copy.part.encode(), copy.path.encode())
        return
    yield from _forget(copy.path)  # plain SFTP renames over nothing
    yield sftp.renaming(copy.part, copy.path)


def _forget(path: str) -> Steps:
    try:
        yield sftp.by_path(Kind.REMOVE, path)
    except StatusError:
        return


def _is_full(session: Session, copy: Copy) -> Generator[Request, Reader, bool]:
    """Whether the file system of a copy has no room: version 3 cannot say so itself."""
    if _STATVFS not in session.extensions:
        return False
    try:
        answer = yield sftp.extended(_STATVFS, str(PurePosixPath(copy.part).parent).encode())
    except StatusError:
        return False
    _, fragment, _, _, available, files, _, free_files = (answer.u64() for _ in range(8))
    return fragment * available < _CHUNK or (files > 0 and free_files == 0)


def _reading(upload: Upload) -> BinaryIO:
    if isinstance(upload.source, bytes):
        return io.BytesIO(upload.source)
    try:
        return upload.source.open("rb")
    except OSError as error:  # must not look like a lost connection
        raise CopyError(str(upload.source), error) from error


def _words(code: int, error: StatusError) -> str:
    return f"the sftp server refused: {error}" if code == errno.EIO else os.strerror(code)


def _errno(error: StatusError) -> int:
    known = {Code.NO_SUCH_FILE: errno.ENOENT, Code.PERMISSION_DENIED: errno.EACCES}
    return known.get(Code(error.code), errno.EIO) if error.code in list(Code) else errno.EIO
