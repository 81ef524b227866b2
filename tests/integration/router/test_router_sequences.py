"""Sequences over several servers: every step where the others were, and never more than there are places."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import grpc
import pytest
from raw_h2 import OPENING, SERVICE, prefixed
from raw_h2 import call as call_grpc
from router_harness import Router, StandIn, call, wait_for
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as rpc

from distctl.cluster.keys import Key
from distctl.cluster.router import Pool, Sequences, SlotState

PLACES = 4  # of each stand-in
SECRET = "dk_of_these_tests"
HUGE = 2**60  # an id that no JSON number of other languages can hold
Step = Callable[[dict[str, Any]], int]


class Refused(Exception):
    """The status, or gRPC's code, and what was said."""


@pytest.fixture
def sums(make_router: Callable[..., Router], servers: list[StandIn]) -> Router:
    """A router of one model with sequences on two fresh servers."""
    for server in servers[:2]:
        server.kill()
        server.start()
        server.wait()
    made = make_router()
    slots = made.view.pools[0].slots
    pool = Pool("sums", slots, replay=False, policy="sequence", sequences=Sequences(10.0, PLACES))
    made.view = replace(made.view, pools=(pool,))
    made.apply()
    return made


def parameters(name: int | str, *, start: bool = False, end: bool = False) -> dict[str, Any]:
    return {"sequence_id": name, "sequence_start": start, "sequence_end": end}


def rest(router: Router, tensors: bytes = b"") -> Step:
    def step(said: dict[str, Any]) -> int:
        body = json.dumps({"inputs": [], "parameters": said}).encode() + tensors
        status, answer = call(f"{router.http}/v2/models/sums/infer", body)
        if status != 200:
            raise Refused(status, answer["error"])
        return answer["step"]

    return step


def message(said: dict[str, Any]) -> pb.ModelInferRequest:
    made = pb.ModelInferRequest(model_name="sums", raw_input_contents=[b"\0" * 64])
    for name, value in said.items():
        kind = "bool_param" if isinstance(value, bool) else "string_param" if isinstance(value, str) else ""
        setattr(made.parameters[name], kind or "int64_param", value)
    return made


@contextlib.contextmanager
def unary(router: Router) -> Iterator[Step]:
    with grpc.insecure_channel(router.grpc) as channel:
        stub = rpc.GRPCInferenceServiceStub(channel)

        def step(said: dict[str, Any]) -> int:
            try:
                return stub.ModelInfer(message(said), timeout=10).parameters["step"].int64_param
            except grpc.RpcError as error:
                raise Refused(error.code(), error.details()) from error

        yield step


def whole(step: Step, name: int | str, length: int = 6) -> list[int]:
    """A whole sequence, each step answered with its place; starts again as long as there is no room."""
    until = time.monotonic() + 20
    while True:
        try:
            first = step(parameters(name, start=True))
            break
        except Refused as refused:
            assert "sequences open" in refused.args[1] and time.monotonic() < until, refused
            time.sleep(0.01)
    return [first, *(step(parameters(name, end=n == length)) for n in range(2, length + 1))]


def streamed(router: Router, name: int) -> list[int]:
    """The same by a stream of its own, which is refused or served as a whole."""
    steps = (message(parameters(name, start=n == 1, end=n == 6)) for n in range(1, 7))
    with grpc.insecure_channel(router.grpc) as channel:
        answers = list(rpc.GRPCInferenceServiceStub(channel).ModelStreamInfer(steps, timeout=10))
    return [answer.infer_response.parameters["step"].int64_param for answer in answers]


def hung(servers: list[StandIn]) -> int:
    return sum(server.sequences()[2] for server in servers[:2])


def test_interleaved_sequences_of_every_protocol_are_right_and_bounded(
    sums: Router, servers: list[StandIn]
) -> None:
    with unary(sums) as ask, ThreadPoolExecutor(6) as pool:
        ways: list[Callable[[int], list[int]]] = [
            lambda n: whole(rest(sums), HUGE + n),
            lambda n: whole(rest(sums, b"\0\1\2\3" * 50), f"with-tensors-{n}"),
            lambda n: whole(ask, n),
        ]
        told = list(pool.map(lambda n: ways[n % 3](n), range(1, 61)))
    assert told == [[1, 2, 3, 4, 5, 6]] * 60
    assert hung(servers) == 0
    assert all(0 < server.sequences()[1] <= PLACES for server in servers[:2])


def test_one_sequence_may_change_its_protocol(sums: Router) -> None:
    with unary(sums) as ask:
        step = rest(sums)
        assert [ask(parameters(7, start=True)), step(parameters(7)), ask(parameters(7))] == [1, 2, 3]
        assert step(parameters(7, end=True)) == 4


def test_sequences_by_streams_stay_on_their_server(sums: Router, servers: list[StandIn]) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda n: streamed(sums, n), range(1, 25))) == [[1, 2, 3, 4, 5, 6]] * 24
    assert hung(servers) == 0


def test_one_start_too_many_is_refused_at_once_with_a_sentence(sums: Router, servers: list[StandIn]) -> None:
    step = rest(sums)
    for number in range(2 * PLACES):
        assert step(parameters(f"s{number}", start=True)) == 1
    assert [server.sequences()[0] for server in servers[:2]] == [PLACES, PLACES]
    began = time.monotonic()
    sentence = "every server of sums has its 4 sequences open: start again when one has ended"
    with pytest.raises(Refused) as refused:
        step(parameters("late", start=True))
    assert refused.value.args == (429, sentence)
    with unary(sums) as ask, pytest.raises(Refused) as refused:
        ask(parameters("late", start=True))
    assert refused.value.args == (grpc.StatusCode.RESOURCE_EXHAUSTED, sentence)
    assert time.monotonic() - began < 1.0 and hung(servers) == 0
    assert [step(parameters(f"s{n}")) for n in range(2 * PLACES)] == [2] * 2 * PLACES
    assert step(parameters("s0", end=True)) == 3
    assert step(parameters("late", start=True)) == 1


def test_refusal_says_when_to_come_again(sums: Router) -> None:
    for number in range(2 * PLACES):
        rest(sums)(parameters(number + 1, start=True))
    connection = http.client.HTTPConnection("127.0.0.1", sums.view.http_port, timeout=5)
    body = json.dumps({"inputs": [], "parameters": parameters(99, start=True)})
    connection.request("POST", "/v2/models/sums/infer", body)
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("retry-after")) == (429, "1")
    connection.close()


def test_lost_sequence_gets_tritons_own_error_at_once_and_can_start_again(
    sums: Router, servers: list[StandIn]
) -> None:
    step = rest(sums)
    for name in "abcd":
        step(parameters(name, start=True))
    servers[0].kill()
    wait_for(lambda: not sums.running("n1"), "the check")
    told = {}
    for name in "abcd":
        began = time.monotonic()
        try:
            told[name] = step(parameters(name))
        except Refused as refused:
            assert refused.args[0] == 400 and "must specify the START flag" in refused.args[1]
            assert time.monotonic() - began < 1.0
    assert list(told.values()) == [2, 2]
    for name in set("abcd") - told.keys():
        assert [step(parameters(name, start=True)), step(parameters(name))] == [1, 2]
    servers[0].start()
    servers[0].wait()


def test_places_that_are_taken_are_known_after_a_reload(sums: Router, servers: list[StandIn]) -> None:
    step = rest(sums)
    for number in range(2 * PLACES):
        step(parameters(f"s{number}", start=True))
    worker = sums.look().pid
    sums.reload()
    assert worker != sums.look().pid
    with pytest.raises(Refused):
        step(parameters("late", start=True))
    assert [step(parameters(f"s{n}")) for n in range(2 * PLACES)] == [2] * 2 * PLACES
    assert hung(servers) == 0


class Kept:
    """A connection that was there before a reload, which the replaced worker still serves once."""

    def __init__(self, router: Router) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", router.view.http_port, timeout=10)
        self._connection.request("GET", "/v2/health/live")
        self._connection.getresponse().read()
        self.port = self._connection.sock.getsockname()[1]

    def __call__(self, said: dict[str, Any]) -> int:
        body = json.dumps({"inputs": [], "parameters": said})
        self._connection.request("POST", "/v2/models/sums/infer", body, {"x-api-key": SECRET})
        assert self._connection.sock.getsockname()[1] == self.port, "that was another connection"
        answer = self._connection.getresponse()
        found = json.loads(answer.read())
        if answer.status != 200:
            raise Refused(answer.status, found["error"])
        assert answer.getheader("connection") == "close"
        return found["step"]

    def close(self) -> None:
        self._connection.close()


def kept_channel(router: Router) -> socket.socket:
    """The same of gRPC: a connection over which settings were exchanged."""
    stream = socket.create_connection(("127.0.0.1", router.view.grpc_port), timeout=10)
    stream.sendall(OPENING)
    stream.recv(4096)
    return stream


def stepped(stream: socket.socket, said: dict[str, Any]) -> int:
    """A step by such a connection."""
    whole = call_grpc(SERVICE + "ModelInfer", prefixed(message(said).SerializeToString()))
    stream.sendall(whole.removeprefix(OPENING))
    answer = b""
    while b"\x0a\x04sums" not in answer:
        answer += stream.recv(4096)
    begin = answer.index(b"\x0a\x04sums")
    length = int.from_bytes(answer[begin - 4 : begin], "big")
    return pb.ModelInferResponse.FromString(answer[begin : begin + length]).parameters["step"].int64_param


@pytest.mark.parametrize("drops_root", [False, True])
def test_a_replaced_worker_knows_what_began_at_its_successor_and_tells_it(
    sums: Router, servers: list[StandIn], *, drops_root: bool
) -> None:
    """Clients keep connections: each of them meets the worker of its time."""
    sums.view = replace(sums.view, drops_root=drops_root, keys=None)
    sums.apply()
    step = rest(sums)
    with contextlib.ExitStack() as stack:
        old = [stack.enter_context(contextlib.closing(Kept(sums))) for _ in range(6)]
        channels = [stack.enter_context(contextlib.closing(kept_channel(sums))) for _ in range(2)]
        sums.reload()
        assert len(sums.look().old_workers) == 1
        steps = [old[0](parameters("a", start=True)), step(parameters("a")), old[1](parameters("a"))]
        assert steps == [1, 2, 3]
        assert [step(parameters("b", start=True)), old[2](parameters("b"))] == [1, 2]
        assert [stepped(channels[0], parameters("c", start=True)), step(parameters("c"))] == [1, 2]
        assert stepped(channels[1], parameters("a")) == 4
        for number in range(2 * PLACES - 3):
            assert step(parameters(f"full-{number}", start=True)) == 1
        with pytest.raises(Refused):
            old[3](parameters("late", start=True))
        assert old[4](parameters("a", end=True)) == 5
        assert old[5](parameters("late", start=True)) == 1, "the place is free again"
    assert hung(servers) == 0


def test_a_replaced_worker_hands_the_api_key_on(sums: Router) -> None:
    key = Key("ann", hashlib.sha256(SECRET.encode()).hexdigest())
    sums.view = replace(sums.view, keys=(key,))
    sums.apply()
    with contextlib.closing(Kept(sums)) as old:
        sums.reload()
        assert old(parameters("a", start=True)) == 1


def test_draining_server_keeps_its_sequences_and_gets_no_new_one(
    sums: Router, servers: list[StandIn]
) -> None:
    step = rest(sums)
    for number in range(4):
        step(parameters(f"s{number}", start=True))
    sums.set(n1=SlotState.DRAIN)
    assert [step(parameters(f"s{n}")) for n in range(4)] == [2] * 4
    assert [step(parameters(f"t{n}", start=True)) for n in range(2)] == [1, 1]
    assert [server.sequences()[0] for server in servers[:2]] == [2, 4]
    with pytest.raises(Refused):
        step(parameters("one more", start=True))
