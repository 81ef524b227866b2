"""Writes that give up.

paramiko retries a write until the kernel gives the connection up, a quarter of an hour on a link that went
dead: no deadline of ours would hold. A packet that is half written cannot be taken back, so giving up a write
means giving up the connection; that is done only when nothing at all has moved for a while.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING

from paramiko.packet import Packetizer

if TYPE_CHECKING:
    from typing_extensions import Buffer

STALLED = 20.0  # seconds in which the socket took not one byte: the link is dead
STALLED_AT_DEADLINE = 1.0  # the same for a caller whose deadline is over

_until: ContextVar[float] = ContextVar("until", default=float("inf"))


@contextlib.contextmanager
def within(until: float) -> Iterator[None]:
    """What this thread writes meanwhile has until then, in monotonic seconds."""
    token = _until.set(until)
    try:
        yield
    finally:
        _until.reset(token)


class PatientPacketizer(Packetizer):
    """paramiko's, except for the end of its patience."""

    def __init__(self, stream: socket.socket) -> None:
        super().__init__(stream)
        self._stream = stream

    def write_all(self, out: Buffer) -> None:
        """Write everything. Raises EOFError when the connection is lost or was given up."""
        super().write_all(b"")  # which notes the time, so that no keepalive is sent
        rest, moved = bytes(out), time.monotonic()
        while rest:
            try:
                sent = self._stream.send(rest)
            except TimeoutError:  # paramiko's sockets wait a tenth of a second
                if self.closed or self._hopeless(time.monotonic() - moved):
                    self._give_up()
                continue
            except OSError:
                sent = 0
            if sent == 0:
                self._give_up()
            rest, moved = rest[sent:], time.monotonic()

    def _hopeless(self, stalled: float) -> bool:
        late = time.monotonic() >= _until.get()
        return stalled >= (STALLED_AT_DEADLINE if late else STALLED)

    def _give_up(self) -> None:
        self.close()
        raise EOFError
