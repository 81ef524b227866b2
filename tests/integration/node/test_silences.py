"""How a server does not answer is told apart on real sockets: refused, mute, hung up, no packet back."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from distctl.adapters.polling import observe_servers
from distctl.cluster.snapshot import ServerSight, Silence
from distctl.cluster.spec import Endpoint, ServerId

A = ServerId("a", "0")
SECONDS = 1.0


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def listener(opened: ExitStack, backlog: int = 8) -> socket.socket:
    return opened.enter_context(closing(socket.create_server(("127.0.0.1", 0), backlog=backlog)))


def looked(port: int) -> ServerSight:
    return observe_servers({A: Endpoint("127.0.0.1", port)}, {}, timeout=SECONDS)[A]


def test_a_port_where_nothing_listens_is_refused(opened: ExitStack) -> None:
    listening = listener(opened)
    port = listening.getsockname()[1]
    listening.close()
    assert looked(port).silence is Silence.REFUSED


def test_who_takes_the_connection_and_says_nothing_is_mute(opened: ExitStack) -> None:
    sight = looked(listener(opened).getsockname()[1])
    assert (sight.live, sight.silence) == (False, Silence.MUTE)
    assert "does not answer" in sight.error


def test_who_hangs_up_counts_as_refused(opened: ExitStack) -> None:
    listening = listener(opened)

    def hang_up() -> None:
        connection, _ = listening.accept()
        connection.recv(1024)
        connection.close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    assert looked(listening.getsockname()[1]).silence is Silence.REFUSED
    thread.join()


def test_where_no_packet_comes_back_it_is_lost(opened: ExitStack) -> None:
    """The kernel drops what does not fit into a full queue of connections: as a machine that is cut off."""
    listening = listener(opened, backlog=0)
    for _ in range(4):
        waiting = opened.enter_context(closing(socket.socket()))
        waiting.setblocking(False)
        waiting.connect_ex(listening.getsockname())
    assert looked(listening.getsockname()[1]).silence is Silence.LOST
