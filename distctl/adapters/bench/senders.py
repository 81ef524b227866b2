"""Sends inference requests by REST, gRPC or gRPC streams, as a client of Triton's own library would.

Everything that does not depend on the turn is made beforehand, so that sending costs the generator little.
A stream is opened for each request and ends with its last answer: a long one would stay on one server.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from distctl.adapters.tensors import tensors
from distctl.cluster.spec import Endpoint
from distctl.errors import InputError
from distctl.policy.bench.data import Request
from distctl.policy.bench.tally import Answer, Failed

if TYPE_CHECKING:
    import ssl

CHANNELS = 64  # gRPC connections at most; beyond it requests share one
# A connection of its own for each channel, as separate clients have, and no retry that nobody sees.
CHANNEL = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
]

# aiohttp asks for compressed answers unless told otherwise, and compressing would be what is measured.
PLAIN = {"Accept-Encoding": "identity"}


class Sender(Protocol):
    """Sends one request after another, many at once; all clocks are `time.monotonic`."""

    async def ask(self, lane: int) -> Answer:
        """Send the next request on the connection of a lane and wait for its last answer. Raises Failed."""

    async def close(self) -> None:
        """Close every connection."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go, by which protocol (http, grpc, stream), and how long one may take, seconds.

    `headers` go with each of them; `shake_hands` is the context of TLS for REST, `channel` the arguments of
    tritonclient that do the same for gRPC: none in clear text.
    """

    endpoint: Endpoint
    protocol: str
    timeout: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    shake_hands: ssl.SSLContext | None = None
    channel: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def rest(self) -> dict[str, Any]:
        """The arguments of tritonclient's REST client."""
        return {"ssl": self.shake_hands is not None, "ssl_context": self.shake_hands}

    @property
    def grpc(self) -> dict[str, Any]:
        """The arguments of tritonclient's gRPC client."""
        return {**self.channel, "channel_args": [*CHANNEL, *self.channel.get("channel_args", ())]}


class _Turns:
    """The requests in turn, each as the arguments of tritonclient's `infer`, sequences with new ids."""

    def __init__(self, kind: Any, model: str, requests: Sequence[Request]) -> None:
        self._ids = itertools.count(random.SystemRandom().getrandbits(40) + 1)
        self._turns = itertools.cycle([_arguments(kind, model, request) for request in requests])

    def next(self) -> dict[str, Any]:
        """The next request's arguments; they are not to be changed."""
        arguments = next(self._turns)
        identity = arguments.get("sequence_id")
        if not identity:
            return arguments
        return {**arguments, "sequence_id": type(identity)(next(self._ids))}


def _arguments(kind: Any, model: str, request: Request) -> dict[str, Any]:
    parameters = request.get("parameters", {})
    if not isinstance(parameters, Mapping):
        raise InputError("the request's `parameters` are no object")
    parameters = dict(parameters)
    own = ("sequence_id", "sequence_start", "sequence_end", "priority", "timeout")
    named = {name: parameters.pop(name) for name in own if name in parameters}
    found = {"model_name": model, "inputs": tensors(kind, request), **named}
    return {**found, "parameters": parameters} if parameters else found


class HttpSender:
    """REST with binary tensors over kept connections."""

    def __init__(self, target: Target, model: str, requests: Sequence[Request], connections: int) -> None:
        import tritonclient.http as plain
        import tritonclient.http.aio as client

        self._turns = _Turns(plain.InferInput, model, requests)
        self._client = client.InferenceServerClient(
            str(target.endpoint), conn_limit=connections, conn_timeout=target.timeout, **target.rest
        )
        self._headers = {**PLAIN, **target.headers}

    async def ask(self, lane: int) -> Answer:
        """See `Sender`; connections are given to whoever sends."""
        try:
            await self._client.infer(**self._turns.next(), headers=dict(self._headers))
        except Exception as error:
            raise failure(error) from error
        return Answer(time.monotonic())

    async def close(self) -> None:
        """See `Sender`."""
        await self._client.close()


class GrpcSender:
    """Unary gRPC, a connection for each lane."""

    def __init__(self, target: Target, model: str, requests: Sequence[Request], connections: int) -> None:
        import tritonclient.grpc as plain
        import tritonclient.grpc.aio as client

        self._timeout, self._headers = target.timeout, dict(target.headers)
        self._turns = _Turns(plain.InferInput, model, requests)
        self._clients = [
            client.InferenceServerClient(str(target.endpoint), **target.grpc)
            for _ in range(min(connections, CHANNELS))
        ]

    def _client(self, lane: int) -> Any:
        return self._clients[lane % len(self._clients)]

    async def ask(self, lane: int) -> Answer:
        """See `Sender`."""
        try:
            await self._client(lane).infer(
                **self._turns.next(), headers=self._headers, client_timeout=self._timeout
            )
        except Exception as error:
            raise failure(error) from error
        return Answer(time.monotonic())

    async def close(self) -> None:
        """See `Sender`."""
        await asyncio.gather(*(client.close() for client in self._clients))


class StreamSender(GrpcSender):
    """A gRPC stream for each request, over the lanes' connections."""

    async def ask(self, lane: int) -> Answer:
        """See `Sender`: the answers are counted and the first one's time is kept."""
        first, count = 0.0, 0
        stream = self._client(lane).stream_infer(
            _once(self._turns.next()), stream_timeout=self._timeout, headers=self._headers
        )
        try:
            async for _, error in stream:
                if error is not None:
                    raise error  # noqa: TRY301 - it is translated with the others
                first, count = first or time.monotonic(), count + 1
        except Exception as error:
            raise failure(error) from error
        finally:
            stream.cancel()
        if not count:
            raise Failed("no answer", "the stream ended without one")
        return Answer(first, count)


SENDERS: Mapping[str, Callable[[Target, str, Sequence[Request], int], Sender]] = {
    "http": HttpSender,
    "grpc": GrpcSender,
    "stream": StreamSender,
}


def sender(target: Target, model: str, requests: Sequence[Request], connections: int) -> Sender:
    """What sends to a target over so many connections. Raises InputError for requests that are not whole."""
    return SENDERS[target.protocol](target, model, requests, connections)


async def _once(arguments: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    yield dict(arguments)


def failure(error: Exception) -> Failed:
    """Whatever went wrong with a request as a kind that can be counted."""
    import aiohttp
    import grpc
    from tritonclient.utils import InferenceServerException

    if isinstance(error, InferenceServerException):
        return Failed(_kind(error.status()), _line(error.message() or str(error)))
    if isinstance(error, grpc.aio.AioRpcError):
        return Failed(_kind(str(error.code())), _line(error.details() or ""))
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)):
        return Failed("timeout", "no answer in time")
    if isinstance(error, (aiohttp.ClientError, OSError)):
        return Failed("connection", _line(str(error) or type(error).__name__))
    return Failed(type(error).__name__, _line(str(error)))  # an answer that the client library chokes on


def _kind(status: str | None) -> str:
    if not status:
        return "Triton"
    return f"gRPC {status.removeprefix('StatusCode.')}" if "." in status else f"HTTP {status}"


def _line(words: str, most: int = 300) -> str:
    return " ".join(words.split())[:most]
