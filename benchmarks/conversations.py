"""A stated, synthetic trace of conversations, and where each policy sends its requests. Pure.

A conversation is a system prompt that others share, and turns that each repeat all that was said before. A
server remembers what it computed for the prompts that it saw last (its prefix cache), in tokens; what it does
not remember it computes again. `bounded` decides as HAProxy 2.8 does (lb_chash.c).
"""

from __future__ import annotations

import bisect
import hashlib
import heapq
import random
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import takewhile

SERVERS = 8
CONVERSATIONS = 4000
SYSTEM_PROMPTS = 40  # shared; the most popular one begins a quarter of all conversations
SYSTEM_TOKENS, TURN_TOKENS, ANSWER_TOKENS = 600, 80, 160
TURNS = 5  # on average
RATE = 12.0  # new conversations a second
PAUSE = 4.0  # seconds between an answer and the next turn, on average
CACHE = 120_000  # tokens that a server remembers
PREFILL, DECODE = 1 / 6000, 1 / 150  # seconds for a token of the prompt that is not remembered, of the answer
POINTS = 100  # of each server on the ring


@dataclass(frozen=True, slots=True)
class Turn:
    """One request: when it comes, whose it is, and its prompt's pieces in order, each with its tokens."""

    at: float
    conversation: int
    system: int
    pieces: tuple[tuple[str, int], ...]


def trace(seed: int = 7) -> list[Turn]:
    """Every request of the trace in the order of its coming."""
    chance = random.Random(seed)
    shares = [1 / (rank + 1.5) for rank in range(SYSTEM_PROMPTS)]
    found: list[Turn] = []
    at = 0.0
    for conversation in range(CONVERSATIONS):
        at += chance.expovariate(RATE)
        (system,) = chance.choices(range(SYSTEM_PROMPTS), shares)
        pieces = [(f"s{system}", SYSTEM_TOKENS)]
        now = at
        for turn in range(1 + int(chance.expovariate(1 / TURNS))):
            pieces.append((f"c{conversation}.{turn}", TURN_TOKENS))
            found.append(Turn(now, conversation, system, tuple(pieces)))
            pieces.append((f"a{conversation}.{turn}", ANSWER_TOKENS))
            now += ANSWER_TOKENS * DECODE + chance.expovariate(1 / PAUSE)
    return sorted(found, key=lambda turn: turn.at)


Change = tuple[int, int, int]  # of a server's requests in flight, tokens being computed, tokens held


@dataclass(slots=True)
class Server:
    """What one server remembers and does."""

    remembered: OrderedDict[str, int] = field(default_factory=OrderedDict)
    tokens: int = 0
    in_flight: int = 0
    computing: int = 0  # tokens of prompts whose first answer has not come yet, without what is remembered
    held: int = 0  # tokens of prompts and answers in flight

    def knows(self, turn: Turn) -> int:
        """The tokens of the prompt that it remembers; nothing changes."""
        known = takewhile(lambda piece: piece[0] in self.remembered, turn.pieces)
        return sum(size for _, size in known)

    def add(self, change: Change) -> None:
        """Begin a request, or end a part of it."""
        in_flight, computing, held = change
        self.in_flight += in_flight
        self.computing += computing
        self.held += held

    def take(self, turn: Turn) -> int:
        """The tokens of the prompt that it remembers: of the pieces from the first until one is missing."""
        hit, known = 0, True
        for piece, size in turn.pieces:
            known = known and piece in self.remembered
            hit += size if known else 0
            if piece not in self.remembered:
                self.tokens += size
            self.remembered[piece] = size
            self.remembered.move_to_end(piece)
        while self.tokens > CACHE:
            self.tokens -= self.remembered.popitem(last=False)[1]
        return hit


Choose = Callable[[Turn, Sequence[Server], int], int]


def round_robin(_: Turn, servers: Sequence[Server], number: int) -> int:
    """One after the other."""
    return number % len(servers)


def least_load(_: Turn, servers: Sequence[Server], number: int) -> int:
    """The fewest in flight; of equals, in turn."""
    order = range(number, number + len(servers))
    return min(order, key=lambda n: servers[n % len(servers)].in_flight) % len(servers)


def plain_hash(key: Callable[[Turn], str]) -> Choose:
    """The key's server, however busy."""
    return lambda turn, servers, _: next(_ring(key(turn), len(servers)))


def bounded(key: Callable[[Turn], str], bound: float) -> Choose:
    """The first server from the key's place on that has less than its bounded share in flight."""

    def choose(turn: Turn, servers: Sequence[Server], _: int) -> int:
        total = sum(server.in_flight for server in servers) + 1
        slots = -(-int(total * bound * 100) // 100)
        most = max(1, -(-slots // len(servers)))
        return next(n for n in _ring(key(turn), len(servers)) if servers[n].in_flight < most)

    return choose


def by_conversation(turn: Turn) -> str:
    """The prompt's beginning where it holds the first question too: each conversation has its own."""
    return f"conversation {turn.conversation}"


def by_system_prompt(turn: Turn) -> str:
    """The prompt's beginning where it ends within the system prompt."""
    return f"system {turn.system}"


@cache
def _points(servers: int) -> list[tuple[int, int]]:
    return sorted((_hash(f"{n}/{point}"), n) for n in range(servers) for point in range(POINTS))


def _ring(key: str, servers: int) -> Iterator[int]:
    """Every server once, in the order in which they follow the key on the ring."""
    points = _points(servers)
    start = bisect.bisect(points, (_hash(key), 0))
    return iter(dict.fromkeys(points[(start + n) % len(points)][1] for n in range(len(points))))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a policy makes of the trace."""

    hit_rate: float  # the part of all prompt tokens that were remembered where they went
    imbalance: float  # the busiest server's requests in flight to the average, averaged over requests
    computing: float  # seconds: the mean time to compute what was not remembered, before the first token


def simulate(turns: Sequence[Turn], choose: Choose) -> Outcome:
    """Send every turn where a policy says."""
    servers = [Server() for _ in range(SERVERS)]
    ends: list[tuple[float, int, Change]] = []
    hits = tokens = 0
    imbalance = waits = 0.0
    for number, turn in enumerate(turns):
        while ends and ends[0][0] <= turn.at:
            _, server, change = heapq.heappop(ends)
            servers[server].add(change)
        chosen = choose(turn, servers, number)
        size = sum(tokens for _, tokens in turn.pieces)
        hit = servers[chosen].take(turn)
        wait, held = (size - hit) * PREFILL, size + ANSWER_TOKENS
        servers[chosen].add((1, size - hit, held))
        heapq.heappush(ends, (turn.at + wait, chosen, (0, hit - size, 0)))
        heapq.heappush(ends, (turn.at + wait + ANSWER_TOKENS * DECODE, chosen, (-1, 0, -held)))
        in_flight = [server.in_flight for server in servers]
        imbalance += max(in_flight) * len(servers) / sum(in_flight)
        hits, tokens, waits = hits + hit, tokens + size, waits + wait
    return Outcome(hits / tokens, imbalance / len(turns), waits / len(turns))
