"""The three data types that SFTP is made of (RFC 4251, section 5)."""

from __future__ import annotations

import struct


def u32(value: int) -> bytes:
    """Four bytes, big end first."""
    return struct.pack(">I", value)


def u64(value: int) -> bytes:
    """Eight bytes, big end first."""
    return struct.pack(">Q", value)


def string(value: bytes) -> bytes:
    """The length, then the bytes."""
    return u32(len(value)) + value


class Reader:
    """Takes values off the front of a packet. A packet that is too short raises struct.error."""

    def __init__(self, packet: bytes) -> None:
        self._packet, self._at = packet, 0

    @property
    def left(self) -> int:
        """How many bytes have not been taken."""
        return len(self._packet) - self._at

    def u8(self) -> int:
        """One byte."""
        return int(self._take(">B", 1))

    def u32(self) -> int:
        """Four bytes."""
        return int(self._take(">I", 4))

    def u64(self) -> int:
        """Eight bytes."""
        return int(self._take(">Q", 8))

    def string(self) -> bytes:
        """A length and that many bytes."""
        size = self.u32()
        start, self._at = self._at, self._at + size
        return self._packet[start : self._at]

    def _take(self, form: str, size: int) -> int:
        (value,) = struct.unpack_from(form, self._packet, self._at)
        self._at += size
        return int(value)
