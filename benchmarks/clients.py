"""Clients that check every answer: kept connections, one request at a time each, and a tally of it.

Each sends floats that nobody else sends and wants the same ones back.
"""

from __future__ import annotations

import asyncio
import json
import random
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import grpc.aio

from benchmarks.load import GRPC_INFER, INFER, grpc_message, rest_body

PATIENCE = 10.0  # seconds that a client waits for an answer
PAUSE = 0.01  # seconds between two requests of one client


@dataclass(slots=True)
class Tally:
    """What the clients saw: seconds, and instants of the monotonic clock."""

    requests: int = 0
    longest: float = 0.0
    answers: list[tuple[float, float]] = field(default_factory=list)  # when, and how long it took
    failures: list[tuple[float, str]] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """How many requests got no right answer."""
        return len(self.failures)

    def add(self, began: float, problem: str) -> None:
        """One request more."""
        now = time.monotonic()
        self.requests += 1
        self.longest = max(self.longest, now - began)
        self.answers.append((now, now - began))
        if problem:
            self.failures.append((now, problem))


def _floats() -> list[float]:
    return [float(random.randint(0, 1 << 20)) for _ in range(16)]


@dataclass(slots=True)
class Clients:
    """Load for as long as `event` takes: `each` clients of both protocols."""

    http: int
    grpc: int
    host: str = "127.0.0.1"
    each: int = 8
    tally: Tally = field(default_factory=Tally)
    stopping: bool = False

    async def during(self, event: Callable[[], object], *, before: float, after: float) -> Tally:
        """Run the clients; `before` seconds into it do `event` in a thread; go on for `after` seconds."""
        grpc_message()  # imports what builds messages, before anybody measures
        tasks = [asyncio.create_task(self._rest()) for _ in range(self.each)]
        tasks += [asyncio.create_task(self._grpc()) for _ in range(self.each)]
        await asyncio.sleep(before)
        await asyncio.to_thread(event)
        await asyncio.sleep(after)
        self.stopping = True
        await asyncio.gather(*tasks)
        return self.tally

    async def _rest(self) -> None:
        stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while not self.stopping:
            began, problem = time.monotonic(), ""
            try:
                async with asyncio.timeout(PATIENCE):
                    stream = stream or await asyncio.open_connection(self.host, self.http)
                    problem = await _ask(stream, _floats())
            except (OSError, ValueError, asyncio.IncompleteReadError, TimeoutError) as error:
                problem = f"HTTP: {type(error).__name__} {error}"
            if problem and stream:
                stream[1].close()
                stream = None
            self.tally.add(began, problem)
            await asyncio.sleep(PAUSE)
        if stream:
            stream[1].close()

    async def _grpc(self) -> None:
        # A connection of its own for each client, as separate programs would have.
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.insecure_channel(f"{self.host}:{self.grpc}", options=options) as channel:
            call = channel.unary_unary(GRPC_INFER)
            while not self.stopping:
                began, problem, floats = time.monotonic(), "", _floats()
                try:
                    answer = await call(grpc_message(floats), timeout=PATIENCE)
                    problem = "" if struct.pack("<16f", *floats) in answer else "gRPC: wrong answer"
                except grpc.aio.AioRpcError as error:
                    problem = f"gRPC: {error.code().name} {error.details()}"
                self.tally.add(began, problem)
                await asyncio.sleep(PAUSE)


async def _ask(stream: tuple[asyncio.StreamReader, asyncio.StreamWriter], floats: list[float]) -> str:
    """Send one REST inference and say what is wrong with its answer; "" when nothing is."""
    reader, writer = stream
    body = rest_body(floats)
    head = f"POST {INFER} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    said = await reader.readexactly(int(headers.get("content-length", "0")))
    if " 200" not in lines[0]:
        return f"HTTP: {lines[0]}"
    with suppress(KeyError, IndexError):
        if json.loads(said)["outputs"][0]["data"] == floats:
            return ""
    return "HTTP: wrong answer"
