"""Somebody between a client and the server: passes each message on, changes answers, or loses one."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

Answer = Callable[[bytes, bytes], bytes]  # what was asked and what was answered, to what is passed on


@contextlib.contextmanager
def meddling(port: int, answer: Answer) -> Iterator[int]:
    """A port of the loopback that leads to `port`. An empty answer ends that connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, port, answer), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, port: int, answer: Answer) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_between, args=(client, port, answer), daemon=True).start()


def _between(client: socket.socket, port: int, answer: Answer) -> None:
    """The protocol is question and answer, and ours fit into one read each."""
    with client, socket.create_connection(("127.0.0.1", port)) as server, contextlib.suppress(OSError):
        while asked := client.recv(1 << 20):
            server.sendall(asked)
            if asked[:1] == b"X":  # the client says goodbye
                return
            passed_on = answer(asked, server.recv(1 << 20))
            if not passed_on:
                return
            client.sendall(passed_on)
