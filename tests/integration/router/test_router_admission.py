"""Servers get as many requests as the model can use; the rest waits in the router, bounded, or is refused."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import grpc
import pytest
from router_clients import percentile, repeated, rest, together, unary
from router_harness import Router, wait_for
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as rpc

from distctl.cluster.router import SlotState
from distctl.cluster.spec import Admission

OFF, READY = SlotState.OFF, SlotState.READY
Make = Callable[..., Router]
SLACK = 0.25  # seconds that a busy machine may add


def admitting(make_router: Make, admission: Admission, **settings: object) -> Router:
    """A router whose one ready server takes what `admission` says of digits; seq takes whatever comes."""
    router = make_router(**settings)
    pools = (replace(router.view.pools[0], admission=admission), *router.view.pools[1:])
    router.view = replace(router.view, pools=pools)
    router.set(n2=OFF)
    return router


@pytest.fixture
def stub_of():
    channels = []

    def make(router: Router) -> rpc.GRPCInferenceServiceStub:
        channels.append(grpc.insecure_channel(router.grpc, options=[("grpc.use_local_subchannel_pool", 1)]))
        return rpc.GRPCInferenceServiceStub(channels[-1])

    yield make
    for channel in channels:
        channel.close()


def test_queue_is_bounded_in_length_and_time_over_rest(make_router: Make) -> None:
    """Twelve at once of 0.7 s, two served at a time, four wait up to a second: four answers, two give up."""
    router = admitting(make_router, Admission(2, 4, 1.0))
    answers = together(12, lambda _: rest(router, x_delay="700"))
    assert Counter(a.status for a in answers) == {200: 4, 503: 2, 429: 6}
    for answer in answers:
        if answer.status == 429:
            assert answer.seconds < 0.05 + SLACK
            assert answer.body == {"error": "too many requests wait for this model already"}
        if answer.status == 503:
            assert 1.0 <= answer.seconds < 1.1 + SLACK
            assert answer.body == {"error": "no server was ready and free for this request in time"}
        if answer.status != 200:
            assert answer.headers["retry-after"] == "1"
            assert answer.headers["content-type"] == "application/json"


def test_queue_is_bounded_in_length_and_time_over_grpc(make_router: Make, stub_of) -> None:
    router = admitting(make_router, Admission(2, 4, 1.0))
    stub = stub_of(router)
    answers = together(12, lambda _: unary(stub, x_delay="700"))
    exhausted, unavailable = (
        grpc.StatusCode.RESOURCE_EXHAUSTED.value[0],
        grpc.StatusCode.UNAVAILABLE.value[0],
    )
    assert Counter(a.status for a in answers) == {0: 4, unavailable: 2, exhausted: 6}
    refused = [a for a in answers if a.status == exhausted]
    assert all(a.body == {"error": "too many requests wait for this model already"} for a in refused)
    assert all(a.headers["retry-after"] == "1" for a in answers if a.status)
    assert max(a.seconds for a in refused) < 0.05 + SLACK


def test_urgent_requests_wait_before_the_others(make_router: Make, stub_of) -> None:
    router = admitting(make_router, Admission(1, 10, 10.0))
    ends: dict[str, float] = {}
    threads = []

    def ask(name: str, priority: str) -> None:
        ends[name] = rest(router, x_delay="150", x_priority=priority).ended

    for name, priority in (("first", "normal"), ("low", "low"), ("normal", ""), ("high", "HIGH")):
        threads.append(threading.Thread(target=ask, args=(name, priority)))
        threads[-1].start()
        time.sleep(0.03)
    for thread in threads:
        thread.join()
    assert sorted(ends, key=ends.__getitem__) == ["first", "high", "normal", "low"]


def test_numbers_change_over_the_socket_and_survive_a_reload(make_router: Make) -> None:
    router = admitting(make_router, Admission(1, 1, 1.0))
    pid = router.look().pid
    assert Counter(a.status for a in together(4, lambda _: rest(router, x_delay="300"))) == {200: 2, 429: 2}
    pools = (replace(router.view.pools[0], admission=Admission(3, 1, 1.0)), *router.view.pools[1:])
    router.view = replace(router.view, pools=pools)
    assert router.apply() == "told 12 commands, configuration written"  # three servers in four backends
    assert router.look().pid == pid
    assert Counter(a.status for a in together(6, lambda _: rest(router, x_delay="300"))) == {200: 4, 429: 2}
    router.reload()
    assert Counter(a.status for a in together(6, lambda _: rest(router, x_delay="300"))) == {200: 4, 429: 2}


def test_streams_and_questions_are_not_counted(make_router: Make, stub_of) -> None:
    router = admitting(make_router, Admission(1, 1, 1.0))
    stub, over = stub_of(router), threading.Event()

    def messages():
        yield pb.ModelInferRequest(model_name="digits")
        over.wait(10)

    streams = [stub.ModelStreamInfer(messages(), timeout=20) for _ in range(8)]
    try:
        for stream in streams:
            assert next(stream).infer_response.model_name == "digits"
        assert rest(router).status == 200 and unary(stub).status == 0
        assert rest(router, path="/v2/models/digits/ready").status == 200
    finally:
        over.set()
    assert all(list(stream) == [] for stream in streams)


def test_model_without_numbers_takes_whatever_comes(make_router: Make) -> None:
    router = admitting(make_router, Admission(1, 1, 1.0))
    answers = together(8, lambda _: rest(router, "seq", x_delay="200"))
    assert {a.status for a in answers} == {200}


def test_what_is_admitted_under_five_times_the_load_stays_quick(make_router: Make) -> None:
    """Four at once of 50 ms and eight that wait: nobody waits for more than two rounds."""
    router = admitting(make_router, Admission(4, 8, 2.0))
    with repeated(40, lambda: rest(router, x_delay="50"), pause=0.1) as answers:
        wait_for(lambda: sum(a.status == 200 for a in answers) > 200, "two hundred answers")
    assert {a.status for a in answers} == {200, 429}
    admitted = [a for a in answers if a.status == 200]
    refused = [a for a in answers if a.status == 429]
    print(
        f"admitted {len(admitted)}: p50 {percentile(admitted, 0.5):.3f} p99 {percentile(admitted, 0.99):.3f};"
        f" refused {len(refused)}: p50 {percentile(refused, 0.5):.4f} p99 {percentile(refused, 0.99):.4f}"
    )
    assert percentile(admitted, 0.99) < 0.15 + SLACK
    assert percentile(refused, 0.5) < 0.05 and percentile(refused, 0.99) < 0.05 + SLACK
    assert router.control.look().running
