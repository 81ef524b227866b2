"""What clients see while servers die or hang and while the router is changed: nothing."""

from __future__ import annotations

import threading
import time

import grpc
import pytest
from router_harness import Router, StandIn, stopped, wait_for
from router_load import Load
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as rpc

from distctl.cluster.router import SlotState

OFF, READY, DRAIN = SlotState.OFF, SlotState.READY, SlotState.DRAIN


def both_up(router: Router) -> bool:
    return router.sight("n1").healthy and router.sight("n2").healthy


def test_killed_servers_cost_no_unary_request(router: Router, servers: list[StandIn]) -> None:
    with Load(router, streams=False) as load:
        for victim in (servers[0], servers[1], servers[0]):
            victim.kill()
            time.sleep(0.7)
            victim.start()
            wait_for(lambda: router.running("n1") and router.running("n2") and both_up(router), "its return")
    assert load.failures == []
    assert load.answers > 200
    assert load.longest < 1.5, "the retry waits for one connect timeout at most; the rest is this machine"


def test_hanging_server_costs_no_unary_request(router: Router, servers: list[StandIn]) -> None:
    with Load(router, streams=False) as load:
        for victim in servers[:2]:
            with stopped(victim):
                time.sleep(3.0)
            wait_for(lambda: both_up(router), "its return")
    assert load.failures == []
    assert load.longest < 2.0, "freed by the checks, long before the server goes on"


def test_changes_of_slots_and_reloads_cost_nothing_streams_included(router: Router) -> None:
    with Load(router) as load:
        router.set(n3=READY)
        router.set(n1=DRAIN)
        router.reload()
        wait_for(lambda: router.sight("n1").in_flight == 0, "the drain, old worker included", 30.0)
        router.set(n1=OFF)
        router.reload()
        router.set(n1=READY, n2=DRAIN)
        time.sleep(0.5)
    assert load.failures == []
    assert load.answers > 200


def test_old_worker_is_seen_and_counted_while_its_stream_lasts(router: Router) -> None:
    over = threading.Event()

    def messages():
        yield pb.ModelInferRequest(model_name="digits")
        over.wait(20)

    with grpc.insecure_channel(router.grpc) as channel:
        answers = rpc.GRPCInferenceServiceStub(channel).ModelStreamInfer(messages())
        server = next(answers).infer_response.parameters["server"].string_param
        before = router.look().pid
        router.reload()
        assert router.look().old_workers == (before,)
        assert router.sight(server).in_flight == 1
        over.set()
        assert list(answers) == []
    wait_for(lambda: router.look().old_workers == (), "the old worker's end")
    assert router.sight(server).in_flight == 0


@pytest.mark.parametrize(
    ("model", "body", "times"),
    [
        ("digits", b"{}", 2),
        ("digits", b"x" * (128 * 1024), 2),
        ("digits", b"x" * (128 * 1024 + 1), 1),
        ("digits", b'{"inputs":[],"parameters":{"sequence_id":7}}', 1),
        ("seq", b"{}", 1),
    ],
    ids=["small", "at the limit", "beyond it", "sequence", "model without replay"],
)
def test_request_whose_answer_is_lost(
    router: Router, servers: list[StandIn], model: str, body: bytes, times: int
) -> None:
    """It goes to one other server, and no further; where that could do harm, nowhere."""
    before = sum(s.seen() for s in servers)
    status, answer = router.infer(model, body, x_drop="1")
    assert status == 502 and "lost" in answer["error"]
    assert sum(s.seen() for s in servers) - before == times


@pytest.mark.parametrize(("sequence", "works"), [(0, True), (7, False)])
def test_grpc_request_of_a_killed_server(
    router: Router, servers: list[StandIn], sequence: int, works: bool
) -> None:
    request = pb.ModelInferRequest(model_name="digits")
    if sequence:
        request.parameters["sequence_id"].int64_param = sequence
    with grpc.insecure_channel(router.grpc) as channel:
        answer = rpc.GRPCInferenceServiceStub(channel).ModelInfer.future(
            request, metadata=[("x-delay", "800")]
        )
        wait_for(lambda: router.sight("n1").in_flight + router.sight("n2").in_flight == 1, "the request")
        victim = servers[0 if router.sight("n1").in_flight else 1]
        victim.kill()
        if works:
            assert answer.result().parameters["server"].string_param != victim.name
        else:
            assert answer.code() is grpc.StatusCode.UNAVAILABLE
            assert answer.details() == "the server was lost before it answered"


def test_answer_that_a_server_gave_is_never_asked_for_again(router: Router, servers: list[StandIn]) -> None:
    servers[0].load()
    servers[1].load()
    before = sum(s.seen() for s in servers)
    assert router.infer() == (400, {"error": "unknown model"})
    assert sum(s.seen() for s in servers) == before


def test_stream_on_a_server_that_hangs_is_given_up_later_than_a_request(
    router: Router, servers: list[StandIn]
) -> None:
    """Cutting an answer that cannot be repeated takes more proof: a pause of one second is survived."""
    router.set(n2=OFF)
    with grpc.insecure_channel(router.grpc) as channel:

        def messages():
            yield pb.ModelInferRequest(model_name="digits")
            time.sleep(0.2)
            yield pb.ModelInferRequest(model_name="digits")

        answers = rpc.GRPCInferenceServiceStub(channel).ModelStreamInfer(messages(), timeout=20)
        next(answers)
        with stopped(servers[0]):
            time.sleep(1.2)
        assert len(list(answers)) == 1


def test_draining_server_is_left_alone_by_the_cutting(router: Router, servers: list[StandIn]) -> None:
    """What it still does was promised time to end, also when its checks fail already."""
    answers: list[tuple[int, dict]] = []
    router.set(n2=OFF)
    thread = threading.Thread(target=lambda: answers.append(router.infer(x_delay="2500")))
    thread.start()
    wait_for(lambda: router.sight("n1").in_flight == 1, "the request")
    router.set(n1=DRAIN)
    servers[0].load()  # its checks fail from now on
    wait_for(lambda: not router.running_in("digits_r", "n1"), "the checks")
    thread.join()
    assert answers[0][0] == 200
