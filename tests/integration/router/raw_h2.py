"""HTTP/2 and protobuf by hand, so that a test can write what no library would."""

from __future__ import annotations

import struct
from collections.abc import Mapping

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, END_HEADERS = 1, 4
SERVICE = "/inference.GRPCInferenceService/"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame of HTTP/2."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def call(path: str, *bodies: bytes, **headers: str) -> bytes:
    """All that a client of gRPC sends for one call on a connection of its own."""
    pseudo = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "x"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    block = _literals({**pseudo, "content-type": "application/grpc", "te": "trailers", **named})
    head = frame(HEADERS, END_HEADERS, 1, block)
    return OPENING + head + b"".join(frame(DATA, 0, 1, body) for body in bodies) + frame(DATA, END_STREAM, 1)


OPENING = PREFACE + frame(SETTINGS, 0, 0)  # what a client says first on a connection


def prefixed(message: bytes, length: int | None = None) -> bytes:
    """A message as gRPC sends it, with its length, or another one."""
    return struct.pack(">BI", 0, len(message) if length is None else length) + message


def field(number: int, content: bytes, length: int | None = None) -> bytes:
    """A field of protobuf that has a length, or says another one."""
    return varint(number << 3 | 2) + varint(len(content) if length is None else length) + content


def varint(value: int) -> bytes:
    """A number as protobuf writes it; a negative one takes ten bytes."""
    value &= (1 << 64) - 1
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes((*parts, value))


def _literals(headers: Mapping[str, str]) -> bytes:
    """Headers of HPACK that no table knows."""
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in headers.items())


def _text(text: str) -> bytes:
    raw, rest = text.encode("latin-1"), b""
    if len(raw) < 127:
        return bytes((len(raw),)) + raw
    rest = varint(len(raw) - 127)
    return b"\x7f" + rest + raw
