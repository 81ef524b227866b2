"""Bytes of an answer over HTTP/1.1 (RFC 9112) as they come, until it is whole; bounded in size. No socket."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from distctl.errors import TritonError

LARGEST = 1024 * 1024  # bytes of an answer: statistics of a thousand models
LONGEST_HEAD = 16 * 1024  # bytes
FINAL = 200  # the lowest status behind which no other follows
LONGEST_SIZE = 256  # bytes of the line that begins a chunk


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, within bounds."""

    status: int
    kind: str  # its content type, "" when it names none
    body: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before a body. `length` is None where only chunks or the end of the connection tell it."""

    status: int
    kind: str
    length: int | None
    chunked: bool
    last: bool  # no other answer follows over this connection


@lru_cache(maxsize=256)  # a server's heads are alike; at most 4 MiB of them are kept
def parse_head(text: bytes) -> Head:
    """A head without the empty line behind it. Raises ValueError when it is none."""
    first, *lines = text.split(b"\r\n")
    version, _, rest = first.partition(b" ")
    if version not in (b"HTTP/1.1", b"HTTP/1.0"):
        raise ValueError(f"this is no answer over HTTP: {first[:80]!r}")
    pairs = (line.partition(b":") for line in lines)
    fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
    status, chunked = int(rest[:3]), b"chunked" in fields.get(b"transfer-encoding", b"").lower()
    length = None if chunked else _length(status, fields.get(b"content-length"))
    said = fields.get(b"connection", b"").lower()
    stays = b"keep-alive" in said or (version == b"HTTP/1.1" and b"close" not in said)
    kind = fields.get(b"content-type", b"").decode("latin-1")
    return Head(status, kind, length, chunked, last=not stays or (length is None and not chunked))


def _length(status: int, said: bytes | None) -> int | None:
    if status in (204, 304):
        return 0
    if said is None:
        return None
    if not said.isdigit():
        raise ValueError(f"this is no length of an answer: {said[:80]!r}")
    return int(said)


class Reading:
    """One answer that comes in parts."""

    def __init__(self) -> None:
        self._rest = bytearray()  # what came and is not yet understood
        self._body = bytearray()  # of chunks
        self.head: Head | None = None

    @property
    def begun(self) -> bool:
        """Whether anything came."""
        return self.head is not None or bool(self._rest)

    def more(self, data: bytes) -> Answer | None:
        """The answer once it is whole. Raises ValueError when it is none, TritonError past its bound."""
        self._rest += data
        while self.head is None:
            end = self._rest.find(b"\r\n\r\n")
            if (end if end >= 0 else len(self._rest)) > LONGEST_HEAD:
                raise ValueError("its head has no end")
            if end < 0:
                return None
            head = parse_head(bytes(self._rest[:end]))
            del self._rest[: end + 4]
            self.head = None if head.status < FINAL else head  # one that is on its way, such as 103
        return self._whole(self.head)

    def end(self) -> Answer | None:
        """The answer whose end is that of its connection; None where that breaks it off."""
        if self.head is None or self.head.chunked or self.head.length is not None:
            return None
        return Answer(self.head.status, self.head.kind, bytes(self._rest))

    def _whole(self, head: Head) -> Answer | None:
        if (head.length or 0) > LARGEST or len(self._rest) + len(self._body) > LARGEST:
            raise TritonError(f"answers with more than {LARGEST >> 20} MiB")
        if head.chunked:
            return self._chunks(head)
        if head.length is None or len(self._rest) < head.length:
            return None
        return Answer(head.status, head.kind, bytes(self._rest[: head.length]))

    def _chunks(self, head: Head) -> Answer | None:
        while (end := self._rest.find(b"\r\n")) >= 0:
            text = bytes(self._rest[:end]).partition(b";")[0].strip()
            if not text.isalnum():
                raise ValueError(f"this is no length of a chunk: {text[:80]!r}")
            size = int(text, 16)
            if size == 0:  # fields may follow; the empty line ends them
                whole = self._rest.find(b"\r\n\r\n", end) >= 0
                return Answer(head.status, head.kind, bytes(self._body)) if whole else None
            if size > LARGEST:
                raise TritonError(f"answers with more than {LARGEST >> 20} MiB")
            if len(self._rest) < end + size + 4:
                return None
            self._body += self._rest[end + 2 : end + 2 + size]
            del self._rest[: end + size + 4]
        if len(self._rest) > LONGEST_SIZE:
            raise ValueError("a chunk's length has no end")
        return None
