"""One bounded question over HTTP: in time, in size, and with an error in words for whatever is no answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

from distctl.adapters.polling.answer import Answer
from distctl.adapters.polling.lines import Line, Lines, Unheard
from distctl.cluster.spec import Endpoint

OK = 200
SHOWN = 80  # characters of what a stranger answers
LEAST = 0.01  # seconds for an answer, however little is left


@dataclass(frozen=True, slots=True)
class Inquiry:
    """The questions of one turn to one server, which share one deadline."""

    lines: Lines
    until: float  # on the monotonic clock, which is the event loop's
    headers: Mapping[str, str]
    renew: bool = False  # the connection that was kept so far ends with the first answer
    keep: bool = True

    async def get(self, endpoint: Endpoint, path: str, *, end: bool = False) -> Answer:
        """GET, and have the connection `end` with the answer. Raises TritonError."""
        last = end or not self.keep
        return await self._ask(endpoint, _question("GET", endpoint, path, b"", {}, last=last), last)

    async def post(self, endpoint: Endpoint, path: str, body: bytes = b"{}") -> Answer:
        """POST JSON, with the key of the restricted API. Raises TritonError."""
        question = _question("POST", endpoint, path, body, self.headers, last=not self.keep)
        return await self._ask(endpoint, question, not self.keep)

    async def _ask(self, endpoint: Endpoint, question: bytes, last: bool) -> Answer:
        """A kept connection may end just when it is needed: then over a new one. Raises TritonError."""
        until = max(self.until, monotonic() + LEAST)
        line = await self.lines.take(endpoint, until)
        try:
            return await self._asked(line, endpoint, question, until, last)
        except Unheard:
            line = await self.lines.take(endpoint, until)
            return await self._asked(line, endpoint, question, until, last)

    async def _asked(
        self, line: Line, endpoint: Endpoint, question: bytes, until: float, last: bool
    ) -> Answer:
        try:
            return await line.ask(question, until)
        finally:
            self.lines.give(endpoint, line, keep=not last)


def _question(
    method: str, endpoint: Endpoint, path: str, body: bytes, headers: Mapping[str, str], *, last: bool
) -> bytes:
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    if body:
        fields += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    if last:
        fields += "Connection: close\r\n"
    return f"{method} {path} HTTP/1.1\r\nHost: {endpoint}\r\n{fields}\r\n".encode() + body
