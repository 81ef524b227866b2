"""Clients of these tests that measure: each request with its status, its time and its headers."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import grpc
from router_harness import Router
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as rpc

CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True)
class Answer:
    """What came back. `status` is HTTP's or gRPC's, `seconds` from the first byte sent."""

    status: int
    seconds: float
    body: dict = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    ended: float = 0.0


def rest(
    router: Router,
    model: str = "digits",
    context: ssl.SSLContext | None = None,
    path: str = "",
    **headers: str,
) -> Answer:
    """One inference on a connection of its own; `x_delay` in the call is the header x-delay."""
    port, path = router.view.http_port, path or f"/v2/models/{model}/infer"
    if context:
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    began = time.monotonic()
    with contextlib.closing(connection):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("POST", path, b'{"inputs":[]}', named)
        answer = connection.getresponse()
        body, now = json.loads(answer.read() or b"{}"), time.monotonic()
    got = {name.lower(): value for name, value in answer.getheaders()}
    return Answer(answer.status, now - began, body, got, now)


def unary(stub: rpc.GRPCInferenceServiceStub, model: str = "digits", **metadata: str) -> Answer:
    """One inference over gRPC; its metadata are written as headers of `rest` are."""
    named = [(name.replace("_", "-"), value) for name, value in metadata.items()]
    began = time.monotonic()
    request = pb.ModelInferRequest(model_name=model, raw_input_contents=[b"x"])
    try:
        stub.ModelInfer(request, metadata=named, timeout=20)
    except grpc.RpcError as error:
        now = time.monotonic()
        said = {**dict(error.initial_metadata() or ()), **dict(error.trailing_metadata() or ())}
        return Answer(error.code().value[0], now - began, {"error": error.details()}, said, now)
    now = time.monotonic()
    return Answer(0, now - began, ended=now)


def together(calls: int, ask) -> list[Answer]:
    """So many at once; `ask` is called with the number of each."""
    with ThreadPoolExecutor(calls) as pool:
        return list(pool.map(ask, range(calls)))


@contextlib.contextmanager
def repeated(clients: int, ask, *, pause: float = 0.0) -> Iterator[list[Answer]]:
    """Clients that ask again and again until the block ends, with such pauses; the answers so far.

    An exception of a client is an answer of status -1.
    """
    found: list[Answer] = []
    over = threading.Event()

    def client() -> None:
        while not over.is_set():
            try:
                found.append(ask())
            except Exception as error:  # whatever it is, it counts
                found.append(Answer(-1, 0.0, {"error": repr(error)}))
            over.wait(pause)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        over.set()
        for thread in threads:
            thread.join()


def percentile(answers: list[Answer], part: float) -> float:
    """The time that this part of the answers did not exceed, in seconds."""
    times = sorted(answer.seconds for answer in answers)
    return times[min(int(len(times) * part), len(times) - 1)]
