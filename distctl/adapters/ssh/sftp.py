"""SFTP with many requests in flight.

paramiko's client waits for an answer after each open, close and rename, so a thousand small files cost
thousands of round trips. Here each file is a generator that says what it wants next, and `Session.drive`
keeps as many of them going at once as the connection carries. Protocol: draft-ietf-secsh-filexfer-02,
version 3, which OpenSSH speaks, with OpenSSH's extensions.
"""

from __future__ import annotations

import itertools
import struct
import time
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from paramiko import Channel

from distctl.adapters.ssh.wire import Reader, string, u32, u64

IN_FLIGHT = 64  # requests; as OpenSSH's sftp
ABREAST = 32  # files
_RECEIVE = 256 * 1024


class Kind(IntEnum):
    """Packet types."""

    INIT = 1
    VERSION = 2
    OPEN = 3
    CLOSE = 4
    WRITE = 6
    FSTAT = 8
    FSETSTAT = 10
    REMOVE = 13
    MKDIR = 14
    REALPATH = 16
    RENAME = 18
    STATUS = 101
    HANDLE = 102
    NAME = 104
    ATTRS = 105
    EXTENDED = 200


class Code(IntEnum):
    """What a STATUS packet says. FAILURE is all that version 3 has for a full disk."""

    OK = 0
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4


class StatusError(Exception):
    """The server refused a request."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


@dataclass(frozen=True, slots=True)
class Request:
    """One packet. A `posted` one is not waited for; its failure comes at the next `SETTLED` or request."""

    kind: Kind
    body: bytes
    posted: bool = False


SETTLED = Request(Kind.INIT, b"")  # yielded to wait for every posted request of the same job
Job = Generator[Request, Reader, None]


@dataclass(slots=True)
class _Running:
    job: Job
    posted: int = 0
    failure: StatusError | None = None
    settling: bool = False


@dataclass(slots=True)
class Session:
    """An SFTP subsystem on a channel. `patience` is how long, in seconds, an answer may take."""

    channel: Channel
    until: float  # monotonic seconds
    patience: float = 120.0
    extensions: frozenset[str] = frozenset()
    _buffer: bytearray = field(default_factory=bytearray)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _asked: dict[int, tuple[_Running, bool]] = field(default_factory=dict)
    _ready: deque[tuple[_Running, Reader | StatusError | None]] = field(default_factory=deque)

    def start(self) -> None:
        """Agree on version 3. Raises EOFError when there is no SFTP subsystem."""
        self.channel.settimeout(self._left())
        self.channel.invoke_subsystem("sftp")
        self._send(bytes([Kind.INIT]) + u32(3))
        reader = Reader(self._packet())
        reader.u8(), reader.u32()
        names = []
        while reader.left:
            names.append(reader.string().decode("utf-8", "replace"))
            reader.string()
        self.extensions = frozenset(names)

    def drive(self, jobs: Iterator[Job]) -> None:
        """Run jobs to their ends, many at once; the first that raises ends it all.

        Raises EOFError or OSError when the connection is lost, TimeoutError at `until` or past the patience.
        """
        running = 0
        waiting = iter(jobs)
        while True:
            while running < ABREAST and (job := next(waiting, None)) is not None:
                self._ready.append((_Running(job), None))
                running += 1
            while self._ready and len(self._asked) < IN_FLIGHT:
                running -= self._advance(*self._ready.popleft())
            if self._asked:
                self._receive()
            elif not running and not self._ready:
                return

    def _advance(self, task: _Running, news: Reader | StatusError | None) -> bool:
        """Let a job say what it wants next; True when it ended."""
        try:
            if isinstance(news, StatusError):
                request = task.job.throw(news)
            elif news is None:
                request = next(task.job)
            else:
                request = task.job.send(news)
        except StopIteration:
            return True
        if request is SETTLED and task.posted:
            task.settling = True
        elif request is SETTLED:
            self._ready.append((task, task.failure or Reader(b"")))
        else:
            self._ask(task, request)
        return False

    def _ask(self, task: _Running, request: Request) -> None:
        number = next(self._numbers)
        self._asked[number] = (task, request.posted)
        self._send(bytes([request.kind]) + u32(number) + request.body)
        if request.posted:
            task.posted += 1
            self._ready.append((task, task.failure or Reader(b"")))

    def _receive(self) -> None:
        packet = Reader(self._packet())
        kind = packet.u8()
        task, posted = self._asked.pop(packet.u32())
        news = _answer(kind, packet)
        if not posted:
            self._ready.append((task, news))
            return
        task.posted -= 1
        if isinstance(news, StatusError):
            task.failure = task.failure or news
        if task.settling and not task.posted:
            task.settling = False
            self._ready.append((task, task.failure or Reader(b"")))

    def _send(self, packet: bytes) -> None:
        self.channel.settimeout(self._left())
        self.channel.sendall(u32(len(packet)) + packet)

    def _packet(self) -> bytes:
        self._fill(4)
        (length,) = struct.unpack(">I", self._buffer[:4])
        self._fill(4 + length)
        packet = bytes(self._buffer[4 : 4 + length])
        del self._buffer[: 4 + length]
        return packet

    def _fill(self, size: int) -> None:
        while len(self._buffer) < size:
            self.channel.settimeout(self._left())
            chunk = self.channel.recv(_RECEIVE)
            if not chunk:
                raise EOFError
            self._buffer += chunk

    def _left(self) -> float:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline is over")
        return min(left, self.patience)


def _answer(kind: int, packet: Reader) -> Reader | StatusError:
    if kind != Kind.STATUS:
        return packet
    code = packet.u32()
    if code == Code.OK:
        return Reader(b"")
    return StatusError(code, packet.string().decode("utf-8", "replace") if packet.left else "")


def opening(path: str, *, fresh: bool) -> Request:
    """Open for writing, made if absent, emptied if `fresh`; answered with a handle."""
    write, create, truncate = 0x02, 0x08, 0x10
    flags = write | create | (truncate if fresh else 0)
    return Request(Kind.OPEN, string(path.encode()) + u32(flags) + _mode(0o600))


def writing(handle: bytes, offset: int, data: bytes) -> Request:
    """Write at an offset; posted."""
    return Request(Kind.WRITE, string(handle) + u64(offset) + string(data), posted=True)


def chmod(handle: bytes, mode: int) -> Request:
    """Set the mode of an open file."""
    return Request(Kind.FSETSTAT, string(handle) + _mode(mode))


def mkdir(path: str, mode: int) -> Request:
    """Make one folder."""
    return Request(Kind.MKDIR, string(path.encode()) + _mode(mode))


def by_handle(kind: Kind, handle: bytes) -> Request:
    """CLOSE or FSTAT."""
    return Request(kind, string(handle))


def by_path(kind: Kind, path: str) -> Request:
    """REMOVE or REALPATH."""
    return Request(kind, string(path.encode()))


def renaming(old: str, new: str) -> Request:
    """Give a file another name that nothing has."""
    return Request(Kind.RENAME, string(old.encode()) + string(new.encode()))


def extended(name: str, *parts: bytes) -> Request:
    """One of OpenSSH's extensions: fsync, posix-rename, statvfs."""
    return Request(Kind.EXTENDED, string(name.encode()) + b"".join(string(part) for part in parts))


def size_in(attributes: Reader) -> int:
    """The size in an ATTRS answer, 0 if it tells none."""
    return attributes.u64() if attributes.u32() & 0x01 else 0


def _mode(mode: int) -> bytes:
    return u32(0x04) + u32(mode)
