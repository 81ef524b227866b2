"""A server that reads each request whole, as Triton does, throws it away and answers at once: REST, gRPC.

`python -m benchmarks.reader PORT`: HTTP/1.1 on PORT, HTTP/2 in clear text on the next, one thread. It costs
so little that a router before it is what is measured: the kernel drops a body unread (MSG_TRUNC), and no
header field of HTTP/2 is looked at. It takes what the clients and routers of these benchmarks send and no
more: lengths of bodies are said, and streams are not reset.
"""

from __future__ import annotations

import selectors
import socket
import struct
import sys
from contextlib import suppress

AT_ONCE = 1 << 20  # bytes read at a time
HEAD = 4096  # bytes read where a head is expected: what is more of a body is dropped unread
ROOM = bytearray(AT_ONCE)  # what is read comes here and is overwritten
SAID = b'{"outputs":[{"name":"OUTPUT0","datatype":"FP32","shape":[1],"data":[1]}]}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (
    len(SAID),
    SAID,
)

# HTTP/2 (RFC 9113): types of frames, flags, and the largest window and frame.
DATA, HEADERS, SETTINGS, WINDOW = 0, 1, 4, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
LARGEST_WINDOW, FIRST_WINDOW, LARGEST_FRAME = (1 << 31) - 1, 65535, (1 << 24) - 1
INITIAL_WINDOW, MAX_FRAME = 4, 5  # settings
PREFACE = len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
# HPACK (RFC 7541) without its table: `:status: 200`, a content type, and the trailer.
BEGINS = b"\x88\x0f\x10\x10application/grpc"
ENDS = b"\x00\x0bgrpc-status\x010"
MESSAGE = b"\0\0\0\0\x08" + b"\x0a\x06floats"  # a ModelInferResponse of this model's name


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame of HTTP/2."""
    return struct.pack(">IBI", len(payload) << 8 | kind, flags, stream) + payload


HELLO = frame(
    SETTINGS, 0, 0, struct.pack(">HIHI", INITIAL_WINDOW, LARGEST_WINDOW, MAX_FRAME, LARGEST_FRAME)
) + frame(WINDOW, 0, 0, struct.pack(">I", LARGEST_WINDOW - FIRST_WINDOW))


class Rest:
    """A connection of HTTP/1.1."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream
        self.head = b""
        self.left = 0  # bytes of the body that are to come

    def readable(self) -> bool:
        """Take what came; False at the end."""
        if self.left:
            came = self.stream.recv_into(ROOM, min(self.left, AT_ONCE), socket.MSG_TRUNC)
            self.left -= came
        else:
            came = self.stream.recv_into(ROOM, HEAD)
            self.head += ROOM[:came]
            end = self.head.find(b"\r\n\r\n") + 4
            if end < 4:
                return bool(came)
            self.left = _length(self.head[:end]) - (len(self.head) - end)
            self.head = b""
        if came and not self.left:
            self.stream.sendall(ANSWER)
        return bool(came)


def _length(head: bytes) -> int:
    _, named, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest[: rest.index(b"\r")]) if named else 0


class Grpc:
    """A connection of HTTP/2."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream
        self.begun = b""  # a frame's head, as far as it came
        self.skip = PREFACE
        self.ends = 0  # the stream that ends with what is skipped
        self.taken = 0  # bytes of bodies since the connection's window was widened: more is an error
        stream.sendall(HELLO)

    def readable(self) -> bool:
        """Take what came; False at the end."""
        came = self.stream.recv_into(ROOM)
        said = self.frames(memoryview(ROOM)[:came])
        if self.taken > LARGEST_WINDOW // 2:
            said += frame(WINDOW, 0, 0, struct.pack(">I", self.taken))
            self.taken = 0
        if said:
            self.stream.sendall(said)
        return bool(came)

    def frames(self, came: memoryview) -> bytes:
        """What is said to these bytes."""
        said = b""
        at = 0
        while True:
            skipped = min(self.skip, len(came) - at)
            at += skipped
            self.skip -= skipped
            if self.skip:
                return said
            if self.ends:
                said += _answer(self.ends)
                self.ends = 0
            wanted = 9 - len(self.begun)
            self.begun += came[at : at + wanted]
            at += wanted
            if len(self.begun) < 9:
                return said
            said += self.head(*struct.unpack(">IBI", self.begun))
            self.begun = b""

    def head(self, size_and_kind: int, flags: int, stream: int) -> bytes:
        """A frame begins: how much of it is passed over, and what is said to it."""
        kind = size_and_kind & 0xFF
        self.skip = size_and_kind >> 8
        if kind == DATA:
            self.taken += self.skip
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            self.ends = stream
        return frame(SETTINGS, ACK, 0, b"") if kind == SETTINGS and not flags & ACK else b""


def _answer(stream: int) -> bytes:
    return (
        frame(HEADERS, END_HEADERS, stream, BEGINS)
        + frame(DATA, 0, stream, MESSAGE)
        + frame(HEADERS, END_HEADERS | END_STREAM, stream, ENDS)
    )


def serve(port: int) -> None:
    """Answer on both ports for ever."""
    events = selectors.DefaultSelector()
    for number, kind in enumerate((Rest, Grpc)):
        listener = socket.create_server(("127.0.0.1", port + number), backlog=1024)
        events.register(listener, selectors.EVENT_READ, kind)
    while True:
        for key, _ in events.select():
            connection = key.data
            if isinstance(connection, type):
                _accept(events, key.fileobj, connection)
            elif not _readable(connection):
                events.unregister(connection.stream)
                connection.stream.close()


def _accept(events: selectors.BaseSelector, listener: socket.socket, kind: type[Rest | Grpc]) -> None:
    stream, _ = listener.accept()
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(OSError):  # gone already
        events.register(stream, selectors.EVENT_READ, kind(stream))


def _readable(connection: Rest | Grpc) -> bool:
    with suppress(OSError):
        return connection.readable()
    return False


if __name__ == "__main__":
    serve(int(sys.argv[1]))
