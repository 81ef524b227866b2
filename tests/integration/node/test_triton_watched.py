"""A real Triton that is watched: each field is read right, and being watched does not hold up its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from node_parts import Place, eventually
from test_triton import answer, pushed, up

from distctl.adapters.polling import Poller, Target
from distctl.cluster.snapshot import ModelState, ServerSight


@pytest.fixture
def poller() -> Iterator[Poller]:
    made = Poller().start()
    yield made
    made.close()


def test_a_triton_under_load_is_read_right_and_ends_in_time(triton_place: Place, tmp_path, poller) -> None:
    digest = pushed(triton_place, tmp_path, 1)
    up(triton_place, {"m": digest})
    server = triton_place.server
    poller.aim([Target(server.id, server.http, server.metrics, triton_place.site.key(server))], {})

    def seen() -> ServerSight:
        return poller.servers(wait=5.0)[server.id]

    sight = seen()
    assert (sight.live, sight.ready, sight.error) == (True, True, "")
    assert sight.replicas["m"].state is ModelState.READY
    assert sight.gpus == ()
    eventually(lambda: seen().use.total > seen().use.used > 0, 10)  # its first figures come after two seconds
    assert 0.0 <= (seen().use.cpu or 0.0) <= 1.0
    before = sight.service["m"].count
    done = threading.Event()

    def load() -> None:
        while not done.is_set():
            answer(triton_place)

    clients = [threading.Thread(target=load) for _ in range(16)]
    for client in clients:
        client.start()
    try:
        eventually(lambda: seen().pending.get("m", 0) > 0, 20)
    finally:
        done.set()
        for client in clients:
            client.join()
    assert "m" in seen().pending
    eventually(lambda: seen().service["m"].count > before, 5)
    assert seen().service["m"].waited > 0

    began = time.monotonic()
    triton_place.site.stop(server, seconds=35)
    assert time.monotonic() - began < 15, (
        "a connection that is kept does not hold up the exit for thirty seconds"
    )
    eventually(lambda: not seen().live, 5)
    assert "does not answer" in seen().error
