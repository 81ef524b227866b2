"""Bytes of an answer over HTTP/1.1 (RFC 9112) as they come, until it is whole; bounded in size. No socket."""

from __future__ import annotations

from dataclasses import dataclass

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from distctl.errors import TritonError

LARGEST = 1024 * 1024  # bytes of an answer: statistics of a thousand models
LONGEST_HEAD = 16 * 1024  # bytes, of answers on the way included
FINAL = 200  # the lowest status behind which no other follows
BODILESS = (204, 304)
FRAMES = (b"content-length", b"transfer-encoding")  # what tells where a body ends


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, within bounds."""

    status: int
    kind: str  # its content type, "" when it names none
    body: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before a body."""

    status: int
    kind: str
    last: bool  # no other answer follows over this connection
    endless: bool  # its body ends where the connection does


class Reading:
    """One answer that comes in parts. The methods that begin with `on_` are the parser's to call."""

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self._before = 0  # bytes that came until the head was whole
        self._kind, self._framed = b"", False
        self._body = bytearray()
        self._answer: Answer | None = None
        self.head: Head | None = None

    @property
    def begun(self) -> bool:
        """Whether anything came."""
        return self._before > 0

    def more(self, data: bytes) -> Answer | None:
        """The answer once it is whole. Raises ValueError when it is none, TritonError past its bound."""
        if self.head is None:
            self._before += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if self._answer is None:
                raise ValueError(f"this is no answer over HTTP: {error}") from error
        if len(self._body) > LARGEST:
            raise TritonError(f"answers with more than {LARGEST >> 20} MiB")
        if self.head is None and self._before > LONGEST_HEAD:
            raise ValueError("its head has no end")
        return self._answer

    def end(self) -> Answer | None:
        """The answer whose end is that of its connection; None where that breaks it off."""
        return self._made() if self.head is not None and self.head.endless else None

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head, or one behind the chunks."""
        name = name.lower()
        if name == b"content-type":
            self._kind = value
        self._framed |= name in FRAMES

    def on_headers_complete(self) -> None:
        """The head is whole. One of an answer that is only on its way, such as 103, is none."""
        status = self._parser.get_status_code()
        if self.head is None and status >= FINAL:
            endless = not self._framed and status not in BODILESS
            last = endless or not self._parser.should_keep_alive()
            self.head = Head(status, self._kind.decode("latin-1"), last, endless)

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self._answer is None:
            self._body += body

    def on_message_complete(self) -> None:
        """The answer is whole, or one that was on its way."""
        if self._answer is None:
            self._answer = self._made()

    def _made(self) -> Answer | None:
        return Answer(self.head.status, self.head.kind, bytes(self._body)) if self.head else None
