"""A loopback port that leads to an endpoint as a node sees it.

Triton's HTTP client speaks to a host and a port and knows no ssh; this gives it one for a node behind jump
hosts. It is the one place of the ssh adapter that starts threads: two for each stream that passes through.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

from distctl.cluster.spec import Endpoint
from distctl.errors import NodeError

_CHUNK = 64 * 1024
_OPENING = 10.0  # seconds


class Forward:
    """Listens on 127.0.0.1 and relays each connection through `dial`, until closed.

    When `dial` fails the client's connection is closed without an answer, as by a server that died.
    """

    def __init__(self, dial: Callable[[float], socket.socket]) -> None:
        self._dial = dial
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        threading.Thread(target=self._accept, name="distctl-forward", daemon=True).start()

    @property
    def endpoint(self) -> Endpoint:
        """Where to connect."""
        host, port = self._listener.getsockname()[:2]
        return Endpoint(host, port)

    def close(self) -> None:
        """Stop listening and cut what passes through."""
        with self._lock:
            self._closed = True
            streams = [self._listener, *self._open]
        for stream in streams:
            _end(stream)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            far = self._dial(_OPENING)
        except NodeError:
            _end(client)
            return
        far.settimeout(None)
        with self._lock:
            self._open |= {client, far}
            if self._closed:
                _end(client)
        back = threading.Thread(target=_relay, args=(far, client), daemon=True)
        back.start()
        _relay(client, far)
        back.join()
        with self._lock:
            self._open -= {client, far}
        for stream in (client, far):
            stream.close()


def _relay(source: socket.socket, sink: socket.socket) -> None:
    """Carry bytes one way until their end, and pass the end on."""
    with contextlib.suppress(OSError, EOFError):
        while chunk := source.recv(_CHUNK):
            sink.sendall(chunk)
    with contextlib.suppress(OSError, EOFError):
        sink.shutdown(socket.SHUT_WR)


def _end(stream: socket.socket) -> None:
    """Close a stream on which another thread may be waiting; `close` alone would not wake it."""
    with contextlib.suppress(OSError, EOFError):
        stream.shutdown(socket.SHUT_RDWR)
    stream.close()
