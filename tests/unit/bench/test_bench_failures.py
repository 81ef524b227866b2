"""Whatever a client library raises becomes a kind that can be counted, and one line of what was said."""

from __future__ import annotations

import asyncio

import aiohttp
import grpc
import pytest
from tritonclient.utils import InferenceServerException

from distctl.adapters.bench.senders import Target, failure, sender
from distctl.cluster.spec import Endpoint
from distctl.errors import InputError

UNAVAILABLE = grpc.aio.AioRpcError(
    grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), details="connect\nrefused"
)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (InferenceServerException("queue is full", status="503"), "HTTP 503", "queue is full"),
        (
            InferenceServerException("late", status="StatusCode.DEADLINE_EXCEEDED"),
            "gRPC DEADLINE_EXCEEDED",
            "late",
        ),
        (InferenceServerException("from a stream"), "Triton", "from a stream"),
        (UNAVAILABLE, "gRPC UNAVAILABLE", "connect refused"),
        (asyncio.TimeoutError(), "timeout", "no answer in time"),
        (aiohttp.ServerTimeoutError(), "timeout", "no answer in time"),
        (aiohttp.ServerDisconnectedError(), "connection", "Server disconnected"),
        (ConnectionResetError("reset"), "connection", "reset"),
        (ValueError("no\n  JSON"), "ValueError", "no JSON"),
    ],
)
def test_an_error_has_a_kind(error: Exception, kind: str, words: str) -> None:
    found = failure(error)
    assert (found.kind, found.words) == (kind, words)


def test_a_long_answer_is_cut() -> None:
    assert len(failure(ValueError("x" * 5000)).words) == 300


@pytest.mark.parametrize("protocol", ["http", "grpc", "stream"])
def test_a_request_that_is_not_whole_is_refused_before_anything_is_opened(protocol: str) -> None:
    target = Target(Endpoint("127.0.0.1", 1), protocol, 1.0)
    for request in ({"inputs": [{"name": "A"}]}, {"inputs": [], "parameters": 5}):
        with pytest.raises(InputError, match="the request"):
            sender(target, "simple", [request], 1)
