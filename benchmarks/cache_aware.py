"""The published rules of routers that know what each server remembers, with their defaults. Pure.

They are given what no router can be sure of: the servers' memory exactly as it is now, without any delay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.conversations import ANSWER_TOKENS, CACHE, Server, Turn

BLOCK = 16  # tokens
BALANCE_ABSOLUTE, BALANCE_RELATIVE, MATCHED = 32, 1.1, 0.5
QUEUE, CACHE_USE, PREFIX = 2.0, 2.0, 3.0


def sglang(turn: Turn, servers: Sequence[Server], number: int) -> int:
    """The SGLang router's `cache_aware`: the best match above a half of the prompt, else who has least to do.

    Who has least to do as well where the loads differ too much (cache_aware.rs).
    """
    loads = [server.in_flight for server in servers]
    most, least = max(loads), min(loads)
    if most - least > BALANCE_ABSOLUTE and most > BALANCE_RELATIVE * least:
        return loads.index(least)
    known = [server.knows(turn) for server in servers]
    best = max(known)
    return known.index(best) if best / _size(turn) > MATCHED else loads.index(least)


def dynamo(turn: Turn, servers: Sequence[Server], number: int) -> int:
    """NVIDIA Dynamo's KV router: the lowest cost in blocks, prefill that is left plus decode, credit 1."""

    def cost(server: Server) -> float:
        prefill = max(server.computing + _size(turn) - server.knows(turn), 0) / BLOCK
        return prefill + (server.held + _size(turn) + ANSWER_TOKENS) / BLOCK

    return _best(servers, number, lambda server: -cost(server))


def llm_d(turn: Turn, servers: Sequence[Server], number: int) -> int:
    """llm-d's scheduler: scores of queue 2, cache use 2 and prefix 3, the largest sum."""
    loads = [server.in_flight for server in servers]
    spread = max(loads) - min(loads)

    def score(server: Server) -> float:
        queue = (max(loads) - server.in_flight) / spread if spread else 1.0
        free = 1 - min(server.held / CACHE, 1.0)
        return QUEUE * queue + CACHE_USE * free + PREFIX * server.knows(turn) / _size(turn)

    return _best(servers, number, score)


def _best(servers: Sequence[Server], number: int, score: Callable[[Server], float]) -> int:
    """The largest score; of equals, in turn."""
    order = range(number, number + len(servers))
    return max(order, key=lambda n: score(servers[n % len(servers)])) % len(servers)


def _size(turn: Turn) -> int:
    return sum(tokens for _, tokens in turn.pieces)
