"""Connections that are asked one question after the other, and kept for the next one.

A controller asks thousands of questions a second, and a client library takes four times as long for each:
checks of addresses, headers and cookies that are always the same here.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import cast

from distctl.adapters.polling.answer import Answer, Reading
from distctl.cluster.snapshot import Silence
from distctl.cluster.spec import Endpoint
from distctl.errors import TritonError

IDLE = 15.0  # seconds that a connection is kept without a question
ALTERNATE = 0.25  # seconds until a name's next address is tried as well


class NoAnswer(TritonError):
    """Nothing came back, or not the whole of it: and how."""

    def __init__(self, message: str, silence: Silence) -> None:
        super().__init__(message)
        self.silence = silence


class Unheard(NoAnswer):
    """A connection that was kept had ended meanwhile: nobody heard the question."""


class Line(asyncio.Protocol):
    """One connection. It takes one question at a time, and says whether it may be `kept`."""

    def __init__(self, freed: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._freed = freed
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._reading = Reading()
        self._asked = 0
        self.kept = False
        self.since = self._loop.time()  # of the last answer

    @property
    def stood(self) -> bool:
        """Whether it was ever connected."""
        return self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        self._transport = cast(asyncio.Transport, transport)

    async def ask(self, question: bytes, until: float) -> Answer:
        """Send a question and wait for its answer until a moment of the loop's clock. Raises TritonError."""
        self._reading, self.kept, self._asked = Reading(), False, self._asked + 1
        self._answer = answer = asyncio.Future[Answer](loop=self._loop)
        assert self._transport is not None  # noqa: S101 - who connects hands it out once it stands
        self._transport.write(question)
        timer = self._loop.call_at(until, self._late)
        try:
            return await answer
        finally:
            timer.cancel()
            self._answer = None

    def data_received(self, data: bytes) -> None:
        """A part of an answer; what nobody asked for ends the connection."""
        if self._answer is None or self._answer.done():
            self.close()
            return
        try:
            answer = self._reading.more(data)
        except ValueError as error:
            self._fail(NoAnswer(f"does not answer: {error}", Silence.NONE))
        except TritonError as error:
            self._fail(error)
        else:
            if answer is not None:
                self._hand(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """It ended, here or there."""
        self.kept = False
        self._freed()
        if self._answer is None or self._answer.done():
            return
        answer = self._reading.end()
        if answer is not None and exc is None:
            self._answer.set_result(answer)
        elif self._reading.head is not None:
            self._fail(NoAnswer("does not answer: its answer broke off", Silence.NONE))
        else:
            unheard = self._asked > 1 and not self._reading.begun
            self._fail((Unheard if unheard else NoAnswer)("does not answer: it hung up", Silence.REFUSED))

    def close(self) -> None:
        """End it at once: whoever listens there may wait for that."""
        self.kept = False
        if self._transport is not None:
            self._transport.abort()

    def _hand(self, answer: Answer) -> None:
        if self._answer is not None and self._reading.head is not None:
            self.kept, self.since = not self._reading.head.last, self._loop.time()
            self._answer.set_result(answer)

    def _late(self) -> None:
        self._fail(NoAnswer("does not answer in time", Silence.MUTE))

    def _fail(self, error: TritonError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self.close()


class Lines:
    """The connections of one event loop, at most so many at once; one for each endpoint is kept."""

    def __init__(self, most: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._free = asyncio.Semaphore(most)
        self._kept: dict[Endpoint, Line] = {}
        self._sweeping = self._loop.call_later(IDLE, self._sweep)

    async def take(self, endpoint: Endpoint, until: float) -> Line:
        """The connection that was kept, else a new one. Raises NoAnswer."""
        line = self._kept.pop(endpoint, None)
        return line if line is not None and line.kept else await self._new(endpoint, until)

    def give(self, endpoint: Endpoint, line: Line, *, keep: bool) -> None:
        """Have a connection back: for the next question, or to end it."""
        if keep and line.kept and endpoint not in self._kept:
            self._kept[endpoint] = line
        else:
            line.close()

    def close(self) -> None:
        """End those that are kept."""
        self._sweeping.cancel()
        for line in self._kept.values():
            line.close()

    async def _new(self, endpoint: Endpoint, until: float) -> Line:
        """Half of the time is for that, so that who takes too long with an answer is known to be there."""
        left = (until - self._loop.time()) / 2
        try:
            return await asyncio.wait_for(self._connect(endpoint), left)
        except asyncio.TimeoutError as error:
            raise NoAnswer("does not answer in time", Silence.LOST) from error
        except (OSError, ValueError) as error:
            refused = isinstance(error, ConnectionRefusedError)
            silence = Silence.REFUSED if refused else Silence.LOST
            raise NoAnswer(f"does not answer: {_words(error)}", silence) from error

    async def _connect(self, endpoint: Endpoint) -> Line:
        await self._free.acquire()
        line = Line(self._free.release)
        try:
            delay = None if endpoint.host[-1:].isdigit() or ":" in endpoint.host else ALTERNATE
            await self._loop.create_connection(
                lambda: line, endpoint.host, endpoint.port, happy_eyeballs_delay=delay
            )
        except BaseException:
            if not line.stood:  # one that stood frees its place when it ends
                self._free.release()
            raise
        return line

    def _sweep(self) -> None:
        """End those that nobody asked for long, of servers that are watched no more."""
        old = self._loop.time() - IDLE
        for endpoint in [endpoint for endpoint, line in self._kept.items() if line.since < old]:
            self._kept.pop(endpoint).close()
        self._sweeping = self._loop.call_later(IDLE, self._sweep)


def _words(error: Exception) -> str:
    """What happened, without the address, which the sentence around it has already."""
    if isinstance(error, OSError) and (error.errno or 0) > 0:
        return os.strerror(error.errno or 0).lower()
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())[:300].lower() or type(error).__name__
