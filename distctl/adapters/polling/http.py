"""One bounded question over HTTP: in time, in size, and with an error in words for whatever is no answer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

import aiohttp

from distctl.adapters.silence import silence_of
from distctl.cluster.snapshot import Silence
from distctl.errors import TritonError

LARGEST = 1024 * 1024  # bytes of an answer: statistics of a thousand models
OK = 200
SHOWN = 80  # characters of what a stranger answers
IDLE = 15.0  # seconds that a connection is kept without a question


LEAST = 0.01  # seconds for an answer, however little is left
CLOSE = {"Connection": "close"}


class NoAnswer(TritonError):
    """Nothing came back, or not the whole of it: and how."""

    def __init__(self, message: str, silence: Silence) -> None:
        super().__init__(message)
        self.silence = silence


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, within bounds."""

    status: int
    kind: str  # its content type, "" when it names none
    body: bytes


def new_session(*, keep: bool, connections: int = 0) -> aiohttp.ClientSession:
    """A session that carries nothing from one answer to the next. `connections` at once; 0 is any number."""
    connector = (
        aiohttp.TCPConnector(limit=connections, keepalive_timeout=IDLE)
        if keep
        else aiohttp.TCPConnector(limit=connections, force_close=True)
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept-Encoding", "User-Agent", "Accept"),
        auto_decompress=False,
    )


@dataclass(frozen=True, slots=True)
class Inquiry:
    """The questions of one turn to one server, which share one deadline."""

    session: aiohttp.ClientSession
    until: float  # on the monotonic clock
    headers: Mapping[str, str]
    renew: bool = False  # the connection that was kept so far ends with the first answer
    keep: bool = True

    async def get(self, url: str, *, end: bool = False) -> Answer:
        """GET, and have the connection `end` with the answer. Raises TritonError."""
        return await self._ask("GET", url, None, end)

    async def post(self, url: str, body: bytes = b"{}") -> Answer:
        """POST JSON, with the key of the restricted API. Raises TritonError."""
        return await self._ask("POST", url, body, False)

    async def _ask(self, method: str, url: str, body: bytes | None, end: bool) -> Answer:
        left = max(self.until - monotonic(), LEAST)
        try:
            async with self.session.request(
                method,
                url,
                data=body,
                headers={**(self.headers if body else {}), **(CLOSE if end or not self.keep else {})},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=left, sock_connect=left / 2),
            ) as answer:
                return Answer(answer.status, answer.headers.get("Content-Type", ""), await _read(answer))
        except asyncio.TimeoutError as error:
            raise NoAnswer("does not answer in time", silence_of(error)) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NoAnswer(f"does not answer: {_words(error)}", silence_of(error)) from error


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    """The body, or as much of it as may be. Raises TritonError past that."""
    length = answer.content_length
    if length is not None and length <= LARGEST:
        return await answer.read()
    size = length or 0
    parts: list[bytes] = []
    while size <= LARGEST:
        part = await answer.content.readany()
        if not part:
            return b"".join(parts)
        size += len(part)
        parts.append(part)
    answer.close()
    raise TritonError(f"answers with more than {LARGEST >> 20} MiB")


def _words(error: Exception) -> str:
    """What happened, without the address, which the sentence around it has already."""
    if isinstance(error, aiohttp.ClientConnectorError) and error.os_error.errno:
        return os.strerror(error.os_error.errno).lower()
    return " ".join(str(error).split())[:300] or type(error).__name__
