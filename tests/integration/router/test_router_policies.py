"""How a server is chosen: by prefix, by load, in turn; and what a reload keeps of that."""

from __future__ import annotations

import contextlib
import http.client
import json
import struct
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import grpc
import pytest
from router_harness import Router, StandIn, call, wait_for
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as rpc

from distctl.cluster.router import SlotState
from distctl.cluster.spec import Policy, PrefixSpec, RequestTimeouts

Make = Callable[..., Router]
READY, DRAIN = SlotState.READY, SlotState.DRAIN


def chosen_by(make: Make, policy: Policy, prefix: PrefixSpec | None = None) -> Router:
    """A router of one model on three servers."""
    made = make()
    digits = made.view.pools[0]
    slots = tuple(replace(slot, state=READY) for slot in digits.slots)
    pool = replace(digits, slots=slots, policy=policy, prefix=prefix)
    made.view = replace(made.view, pools=(pool,))
    made.apply()
    return made


def rest(router: Router) -> None:
    """Wait until the router knows that nothing is in flight: a client has its answer a moment earlier."""
    wait_for(
        lambda: not any(slot.in_flight for _, _, slot in router.look().slots), "the end of every request"
    )


def by_header(router: Router, key: str) -> str:
    rest(router)
    return router.infer(x_tenant=key)[1]["server"]


def test_requests_of_one_key_go_to_one_server_in_both_protocols(make_router: Make) -> None:
    router = chosen_by(make_router, "prefix", PrefixSpec("header", "x-tenant"))
    keys = [f"tenant-{n}" for n in range(30)]
    places = {key: by_header(router, key) for key in keys}
    assert set(Counter(places.values())) == {"n1", "n2", "n3"}
    assert {key: by_header(router, key) for key in keys} == places
    with grpc.insecure_channel(router.grpc) as channel:
        stub = rpc.GRPCInferenceServiceStub(channel)
        message = pb.ModelInferRequest(model_name="digits", raw_input_contents=[b"x"])
        for key in keys:
            rest(router)
            answer = stub.ModelInfer(message, metadata=[("x-tenant", key)])
            (streamed,) = stub.ModelStreamInfer(iter([message]), metadata=[("x-tenant", key)])
            servers = {a.parameters["server"].string_param for a in (answer, streamed.infer_response)}
            assert servers == {places[key]}


def test_server_that_leaves_moves_its_own_keys_alone(make_router: Make) -> None:
    router = chosen_by(make_router, "prefix", PrefixSpec("header", "x-tenant"))
    keys = [f"tenant-{n}" for n in range(30)]
    before = {key: by_header(router, key) for key in keys}
    router.set(n3=DRAIN)
    now = {key: by_header(router, key) for key in keys}
    assert {key for key in keys if now[key] != before[key]} == {k for k in keys if before[k] == "n3"}
    router.set(n3=READY)
    router.reload()
    assert {key: by_header(router, key) for key in keys} == before


def at_once(router: Router, key: str, count: int) -> Counter[str]:
    with ThreadPoolExecutor(count) as pool:
        answers = pool.map(lambda _: router.infer(x_tenant=key, x_delay="700"), range(count))
        return Counter(answer["server"] for _, answer in answers)


@pytest.mark.parametrize(("bound", "most"), [(1.25, 4), (2.0, 6)])
def test_popular_key_spills_over_at_the_bound(make_router: Make, bound: float, most: int) -> None:
    """Nine at once on three servers: no server has more than the average of three times the bound."""
    router = chosen_by(make_router, "prefix", PrefixSpec("header", "x-tenant", bound=bound))
    found = at_once(router, "popular", 9)
    assert max(found.values()) == most and sum(found.values()) == 9


def test_bound_is_never_less_than_one_request(make_router: Make) -> None:
    """One in flight on three servers is a third on average: its own server must take it all the same."""
    router = chosen_by(make_router, "prefix", PrefixSpec("header", "x-tenant", bound=1.01))
    assert len({by_header(router, "popular") for _ in range(12)}) == 1
    assert max(at_once(router, "popular", 2).values()) == 1


def rest_texts(text: str) -> list[tuple[str, bytes, dict[str, str]]]:
    """The same prompt by generate under two names, as JSON data after a number, and behind the JSON."""
    number = {"name": "n", "datatype": "INT32", "shape": [1], "data": [7]}
    tensor = {"name": "p", "datatype": "BYTES", "shape": [1]}
    head = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": len(text) + 4}}]}).encode()
    raw = head + struct.pack("<I", len(text)) + text.encode()
    return [
        ("generate", json.dumps({"id": "7", "max_tokens": 3, "text_input": text}).encode(), {}),
        ("generate", json.dumps({"id": "8", "PROMPT": text, "SEED": 1}).encode(), {}),
        ("infer", json.dumps({"inputs": [number, {**tensor, "data": [text]}]}).encode(), {}),
        ("infer", raw, {"inference-header-content-length": str(len(head))}),
    ]


def grpc_texts(text: str) -> list[pb.ModelInferRequest]:
    """The same prompt as contents and as raw contents."""
    plain, raw = (pb.ModelInferRequest(model_name="digits") for _ in range(2))
    for made in (plain, raw):
        made.inputs.add(name="p", datatype="BYTES", shape=[1])
    plain.inputs[0].contents.bytes_contents.append(text.encode())
    raw.raw_input_contents.append(struct.pack("<I", len(text)) + text.encode())
    return [plain, raw]


@pytest.mark.parametrize("size", [400, 400_000], ids=["small", "large"])
def test_prompts_that_begin_alike_go_to_one_server_however_they_are_sent(
    make_router: Make, size: int
) -> None:
    router = chosen_by(make_router, "prefix", PrefixSpec("prompt", length=64))
    places = Counter()
    with grpc.insecure_channel(router.grpc, options=[("grpc.max_send_message_length", -1)]) as channel:
        stub = rpc.GRPCInferenceServiceStub(channel)
        for number in range(12):
            begin = f"You are assistant number {number} of this company. ".ljust(64, ".")
            found = set()
            for end in ("Hello!" * (size // 6), "Good bye." * (size // 9)):
                for verb, body, headers in rest_texts(begin + end):
                    rest(router)
                    found.add(call(f"{router.http}/v2/models/digits/{verb}", body, headers)[1]["server"])
                for message in grpc_texts(begin + end):
                    rest(router)
                    found.add(stub.ModelInfer(message).parameters["server"].string_param)
            assert len(found) == 1, (number, found)
            places[found.pop()] += 1
    assert len(places) > 1


def test_session_is_a_header_or_a_parameter(make_router: Make) -> None:
    router = chosen_by(make_router, "prefix", PrefixSpec("session"))
    for session in "abcdefgh":
        body = json.dumps({"inputs": [], "parameters": {"session_id": session}}).encode()
        rest(router)
        place = router.infer(body=body)[1]["server"]
        rest(router)
        assert router.infer(x_session_id=session)[1]["server"] == place


def test_request_without_a_key_is_served(make_router: Make) -> None:
    router = chosen_by(make_router, "prefix", PrefixSpec("prompt"))
    assert {router.infer()[0] for _ in range(6)} == {200}


@pytest.mark.parametrize("policy", ["least-load", "two-choices", "round-robin"])
def test_every_server_gets_its_part(make_router: Make, policy: Policy) -> None:
    router = chosen_by(make_router, policy)
    found = Counter(router.infer()[1]["server"] for _ in range(60))
    assert set(found) == {"n1", "n2", "n3"}
    if policy == "round-robin":
        assert set(found.values()) == {20}


def test_weight_is_told_without_a_reload_and_decides_the_share(
    make_router: Make, servers: list[StandIn]
) -> None:
    router = chosen_by(make_router, "least-load")
    worker = router.look().pid
    pool = router.view.pools[0]
    weights = {"n1": 240, "n2": 80, "n3": 80}
    slots = tuple(replace(slot, weight=weights[slot.server.node]) for slot in pool.slots)
    router.view = replace(router.view, pools=(replace(pool, slots=slots),))
    router.apply()
    assert router.look().pid == worker
    with ThreadPoolExecutor(10) as threads:
        found = Counter(threads.map(lambda _: router.infer(x_delay="400")[1]["server"], range(10)))
    assert found == {"n1": 6, "n2": 2, "n3": 2}


def test_reload_keeps_weights_and_drains(make_router: Make) -> None:
    router = chosen_by(make_router, "least-load")
    pool = router.view.pools[0]
    states = {"n1": (READY, 200), "n2": (DRAIN, 50), "n3": (READY, 37)}
    slots = tuple(
        replace(slot, state=states[slot.server.node][0], weight=states[slot.server.node][1])
        for slot in pool.slots
    )
    router.view = replace(router.view, pools=(replace(pool, slots=slots),))
    router.apply()
    router.reload()
    kept = {place: (line.state, line.weight) for place, line in router._lines() if place[0] == "digits_gn"}
    assert kept["digits_gn", "n1.0"] == (READY, 200) and kept["digits_gn", "n3.0"] == (READY, 37)
    assert kept["digits_gn", "n2.0"][0] is DRAIN
    assert "n2" not in {router.infer()[1]["server"] for _ in range(8)}


def test_another_policy_is_one_reload_that_loses_nothing(make_router: Make) -> None:
    router = chosen_by(make_router, "least-load")
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(router.infer, x_delay="600") for _ in range(4)]
        time.sleep(0.2)
        changed = replace(router.view.pools[0], policy="two-choices")
        router.view = replace(router.view, pools=(changed,))
        assert router.apply().startswith("reloaded")
        assert [future.result(10)[0] for future in asked] == [200] * 4


def test_stream_ends_when_it_has_lasted_its_total(make_router: Make) -> None:
    router = make_router()
    pool = replace(router.view.pools[0], timeouts=RequestTimeouts(total=1.0))
    router.view = replace(router.view, pools=(pool,))
    router.apply()
    connection = http.client.HTTPConnection("127.0.0.1", router.view.http_port, timeout=10)
    with contextlib.closing(connection):
        began = time.monotonic()
        connection.request("POST", "/v2/models/digits/generate_stream", b"{}", {"x-delay": "900"})
        with pytest.raises(http.client.IncompleteRead) as cut:
            connection.getresponse().read()
        assert 1.0 < time.monotonic() - began < 4.0
        assert 1 <= cut.value.partial.count(b"data:") < 5


def test_silent_stream_and_late_answer_have_bounds_of_their_own(make_router: Make) -> None:
    router = make_router()
    times = RequestTimeouts(first=0.4, idle=1.5)
    router.view = replace(router.view, pools=(replace(router.view.pools[0], timeouts=times),))
    router.apply()
    began = time.monotonic()
    status, answer = router.infer(x_delay="3000")
    assert (status, answer["error"]) == (504, "the server did not answer in time")
    assert time.monotonic() - began < 1.4
    assert b"data" in router_events(router, delay=700)
    began = time.monotonic()
    with pytest.raises(http.client.IncompleteRead):
        router_events(router, delay=4000)
    assert 1.4 < time.monotonic() - began < 3.5


def router_events(router: Router, delay: int) -> bytes:
    """All events of a stream with so many milliseconds between them."""
    connection = http.client.HTTPConnection("127.0.0.1", router.view.http_port, timeout=10)
    with contextlib.closing(connection):
        connection.request("POST", "/v2/models/digits/generate_stream", b"{}", {"x-delay": str(delay)})
        return connection.getresponse().read()


def test_request_that_takes_two_servers_with_it_is_named(make_router: Make, servers: list[StandIn]) -> None:
    router = make_router()
    router.apply()
    status, _ = router.infer(x_die="1", x_request_id="poison-7")
    assert status == 502
    wait_for(lambda: router.look().lost, "the log to name it")
    (lost,) = router.look().lost
    assert (lost.model, lost.request, lost.client) == ("digits", "poison-7", "127.0.0.1")
    assert [server.node for server in lost.servers] == ["n1", "n2"]
    assert abs(lost.at - time.time()) < 30
    for server in servers[:2]:
        server.kill()
        server.start()
        server.wait()


def test_total_is_each_requests_own_on_a_connection_that_lasts(make_router: Make) -> None:
    router = make_router()
    pool = replace(router.view.pools[0], timeouts=RequestTimeouts(total=1.0))
    router.view = replace(router.view, pools=(pool,))
    router.apply()
    connection = http.client.HTTPConnection("127.0.0.1", router.view.http_port, timeout=10)
    with contextlib.closing(connection), grpc.insecure_channel(router.grpc) as channel:
        stub = rpc.GRPCInferenceServiceStub(channel)
        message = pb.ModelInferRequest(model_name="digits", id="7", raw_input_contents=[b"x"])
        for _ in range(4):
            connection.request("POST", "/v2/models/digits/infer", b"{}", {"x-delay": "500"})
            answer = connection.getresponse()
            assert (answer.status, answer.read()[:10]) == (200, b'{"server":')
            assert stub.ModelInfer(message, metadata=[("x-delay", "500")]).id == "7"
