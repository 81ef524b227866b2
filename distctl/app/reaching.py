"""Trying the ways from routers to servers as the routers will go: connecting from a router's place."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

from distctl.app.session import Session
from distctl.cluster.spec import Endpoint, RouterId, ServerId
from distctl.errors import NodeError, NothingListens
from distctl.policy.reach import Way
from distctl.ports import Connector

PATIENCE = 3.0  # seconds; the kernel gives an address that nobody has up after as many
TRIES = 3  # the best counts: the others waited for a processor
LEAST = 0.01  # ms; what is left when the way to the place was as slow as the way through it
CLOSED = Endpoint("127.0.0.1", 1)  # refuses at once wherever it is asked


def try_ways(session: Session, pairs: Sequence[tuple[RouterId, ServerId]]) -> tuple[Way, ...]:
    """Try each way, in the order given; a few at a time, so that they do not slow one another."""
    if not pairs:
        return ()
    places = sorted({router.place for router, _ in pairs})
    with ThreadPoolExecutor(8, thread_name_prefix="reach") as pool:
        begins = {place: pool.submit(_to_place, session.connector(place)) for place in places}
        tried = partial(_way, session, {place: begin.result() for place, begin in begins.items()})
        return tuple(pool.map(tried, pairs))


def _way(session: Session, begins: dict[str, float | NodeError], pair: tuple[RouterId, ServerId]) -> Way:
    router, id = pair
    server = next(s for s in session.node(id.node).servers if s.id == id)
    target = Endpoint(session.routers.hosts.get(server.host, server.host), server.http_port)
    begin = begins[router.place]
    if isinstance(begin, NodeError):
        return Way(router, id, target, problem=begin.problem or begin.message)
    try:
        took = _best(session.connector(router.place), target)
    except NodeError as error:
        return Way(router, id, target, problem=error.problem or error.message)
    return Way(router, id, target, max(round((took - begin) * 1000, 3), LEAST))


def _to_place(connector: Connector) -> float | NodeError:
    """How long it takes to be refused by the place itself: what ssh adds to each try."""
    try:
        return _best(connector, CLOSED)
    except NodeError as error:
        return error


def _best(connector: Connector, target: Endpoint) -> float:
    """The shortest of some tries, in seconds. Raises NodeError when nothing answers."""
    times = []
    for _ in range(TRIES):
        begun = time.perf_counter()
        with suppress(NothingListens):
            connector.dial(target, timeout=PATIENCE).close()
        times.append(time.perf_counter() - begun)
    return min(times)
