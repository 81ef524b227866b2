"""A model that holds and has no server: requests wait for the first, so many for so long."""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import grpc
import pytest
from router_harness import Router, StandIn, call, wait_for
from router_load import OWN
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as rpc

from distctl.cluster.router import SlotState
from distctl.cluster.spec import Hold

LARGE = b"x" * 10 * 1024 * 1024
OFF = {"n1": SlotState.OFF, "n2": SlotState.OFF}


@pytest.fixture
def cold(make_router: Callable[..., Router]) -> Callable[..., Router]:
    """Makes a router whose models have no server, `digits` of them held."""

    def make(**hold: float) -> Router:
        made = make_router()
        digits, *others = made.view.pools
        made.view = replace(made.view, pools=(replace(digits, hold=Hold(**hold)), *others))
        made.set(**OFF)
        return made

    return make


def waiting(router: Router) -> int:
    """The requests that wait for a server of `digits`."""
    return router.look().held["digits"]


@contextlib.contextmanager
def stub(router: Router) -> Iterator[rpc.GRPCInferenceServiceStub]:
    """A connection of its own: on a shared one a large request that waits holds up the others."""
    options = [(f"grpc.max_{way}_message_length", -1) for way in ("receive", "send")]
    with grpc.insecure_channel(router.grpc, options=[*options, *OWN]) as channel:
        yield rpc.GRPCInferenceServiceStub(channel)


@contextlib.contextmanager
def posted(router: Router, verb: str) -> Iterator[http.client.HTTPConnection]:
    """A request whose answer has not been read yet."""
    connection = http.client.HTTPConnection("127.0.0.1", router.view.http_port, timeout=15)
    with contextlib.closing(connection):
        connection.request("POST", f"/v2/models/digits/{verb}", b"{}")
        yield connection


def message(number: int, size: int = 64) -> pb.ModelInferRequest:
    return pb.ModelInferRequest(model_name="digits", id=str(number), raw_input_contents=[b"\0" * size])


def small(router: Router) -> bool:
    return router.infer()[0] == 200


def large(router: Router) -> bool:
    return router.infer(body=LARGE)[0] == 200


def unary(router: Router) -> bool:
    with stub(router) as asked:
        return asked.ModelInfer(message(1), timeout=15).id == "1"


def unary_large(router: Router) -> bool:
    with stub(router) as asked:
        answer = asked.ModelInfer(message(1, len(LARGE)), timeout=15)
        return len(answer.raw_output_contents[0]) == len(LARGE)


def stream(router: Router) -> bool:
    def messages() -> Iterator[pb.ModelInferRequest]:
        yield message(0)
        time.sleep(0.2)
        yield message(1)

    with stub(router) as asked:
        answers = asked.ModelStreamInfer(messages(), timeout=15)
        return [answer.infer_response.id for answer in answers] == ["0", "1"]


def events(router: Router) -> bool:
    with posted(router, "generate_stream") as connection:
        return connection.getresponse().read().count(b"data:") == 5


WAYS = (small, large, unary, unary_large, stream, events)


def test_requests_of_every_kind_wait_for_the_first_server_and_none_is_lost(
    cold: Callable[..., Router],
) -> None:
    router = cold()
    with ThreadPoolExecutor(4 * len(WAYS)) as pool:
        asked: list[Future[bool]] = [pool.submit(way, router) for way in WAYS * 4]
        wait_for(lambda: waiting(router) == len(asked), "the requests to be held")
        time.sleep(1.0)  # two tries and more
        assert not any(future.done() for future in asked)
        router.set(n1=SlotState.READY)
        ready = time.monotonic()
        assert [future.result(10) for future in asked] == [True] * len(asked)
    assert time.monotonic() - ready < 5.0  # of them up to a second until the next try
    assert router.infer()[0] == 200 and waiting(router) == 0


def test_request_that_waits_too_long_is_told_so(cold: Callable[..., Router]) -> None:
    router = cold(time=1.0)
    began = time.monotonic()
    with posted(router, "infer") as connection:
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("retry-after")) == (503, "5")
        assert answer.read() == b'{"error":"no server is ready for this request"}'
    assert 0.8 < time.monotonic() - began < 4.0
    with stub(router) as channel, pytest.raises(grpc.RpcError) as refused:
        channel.ModelInfer(message(1), timeout=5)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_more_than_may_wait_are_refused_at_once_in_both_protocols(cold: Callable[..., Router]) -> None:
    router = cold(requests=3)
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(way, router) for way in (small, unary, stream)]
        wait_for(lambda: waiting(router) == 3, "the requests to be held")
        with posted(router, "infer") as connection:
            answer = connection.getresponse()
            assert (answer.status, answer.getheader("retry-after")) == (429, "5")
            assert answer.read() == b'{"error":"3 requests wait for a first server of digits already"}'
        with stub(router) as channel, pytest.raises(grpc.RpcError) as refused:
            channel.ModelInfer(message(1), timeout=5)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        router.set(n2=SlotState.READY)
        assert [future.result(10) for future in asked] == [True] * 3


def test_only_inference_waits_and_only_of_the_model_that_holds(cold: Callable[..., Router]) -> None:
    router = cold()
    began = time.monotonic()
    assert router.infer("seq")[0] == 503
    assert call(f"{router.http}/v2/models/digits/ready")[0] == 503
    assert time.monotonic() - began < 1.0


def test_client_that_leaves_is_not_held_any_longer(cold: Callable[..., Router]) -> None:
    router = cold()
    with posted(router, "infer"):
        wait_for(lambda: waiting(router) == 1, "the request to be held")
    wait_for(lambda: waiting(router) == 0, "the router to notice")


def test_server_that_dies_leaves_requests_waiting_for_the_next(
    cold: Callable[..., Router], servers: list[StandIn]
) -> None:
    router = cold()
    router.set(n1=SlotState.READY)
    servers[0].kill()
    wait_for(lambda: not router.running("n1"), "the check")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(small, router)
        wait_for(lambda: waiting(router) == 1, "the request to be held")
        servers[0].start()
        servers[0].wait()
        servers[0].load("digits", "seq", "sums")
        assert asked.result(10)
