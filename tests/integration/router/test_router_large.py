"""Large bodies, which the kernel copies from socket to socket: many at once, in pieces of any size."""

from __future__ import annotations

import hashlib
import http.client
import json
import random
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from router_harness import Router

from distctl.commands.haproxy.render import PIPES

CLIENTS = PIPES + 16


def test_large_bodies_arrive_whole_from_more_clients_than_there_are_pipes(router: Router) -> None:
    """With and without a length that is said, two on each connection."""
    begun = threading.Barrier(CLIENTS)
    with ThreadPoolExecutor(CLIENTS) as clients:
        said = list(clients.map(lambda number: ask_twice(router, number, begun), range(CLIENTS)))
    assert [got for got, _ in said] == [sent for _, sent in said]
    assert pipes_made(router) > 0


def pipes_made(router: Router) -> int:
    """How many pipes the worker keeps for the next large bodies."""
    with urllib.request.urlopen(f"http://127.0.0.1:{router.view.metrics_port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return sum(
        int(line.split()[-1]) for line in lines if line.startswith("haproxy_process_pipes_free_total ")
    )


def ask_twice(router: Router, number: int, begun: threading.Barrier) -> tuple[list[str], list[str]]:
    """The digests of what a server got, and of what was sent."""
    dice, got, sent = random.Random(number), [], []
    connection = http.client.HTTPConnection("127.0.0.1", router.view.http_port, timeout=30)
    for _ in range(2):
        body = dice.randbytes(dice.randint(router.view.replay_limit + 1, 1_000_000))
        headers = {"content-length": str(len(body))} if number % 2 else {}
        pieces = in_pieces(body, dice, begun)
        connection.request("POST", "/v2/models/digits/infer", pieces, headers)
        got.append(json.load(connection.getresponse())["digest"])
        sent.append(hashlib.sha256(body).hexdigest())
    connection.close()
    return got, sent


def in_pieces(body: bytes, dice: random.Random, begun: threading.Barrier) -> Iterator[bytes]:
    """Of any size; the clients wait for one another once they have begun, so that all are served at once."""
    at = 100_000
    yield body[:at]
    begun.wait(30)
    while at < len(body):
        size = dice.choice((1, 1000, 65_536, 300_000))
        yield body[at : at + size]
        at += size
