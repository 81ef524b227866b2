"""API keys: who may ask what, how much of it, changed while the router serves."""

from __future__ import annotations

import hashlib
import struct
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import grpc
import pytest
from router_clients import percentile, repeated, rest, together, unary
from router_harness import Router, call, wait_for
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as rpc

from distctl.cluster.keys import Key
from distctl.cluster.router import SlotState
from distctl.cluster.spec import Admission
from distctl.commands.haproxy import CONFIG

Make = Callable[..., Router]
UNAUTHENTICATED, DENIED, EXHAUSTED = 16, 7, 8


def key(name: str, **terms: object) -> Key:
    """A key whose secret is its name with `-secret` behind it."""
    return Key(name, hashlib.sha256(f"{name}-secret".encode()).hexdigest(), **terms)


KEYS = (
    key("all"),
    key("few", concurrency=2),
    key("one", models=("digits",)),
    key("slow", rate=5),
)


@pytest.fixture
def keyed(make_router: Make) -> Router:
    router = make_router(keys=KEYS)
    router.apply()
    return router


@pytest.fixture
def stub(keyed: Router):
    with grpc.insecure_channel(keyed.grpc, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield rpc.GRPCInferenceServiceStub(channel)


def test_without_a_key_there_is_health_and_nothing_else(
    keyed: Router, stub: rpc.GRPCInferenceServiceStub
) -> None:
    for headers in ({}, {"x_api_key": "guess"}, {"authorization": "Bearer guess"}, {"x_api_key": ""}):
        answer = rest(keyed, **headers)
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert answer.body == {"error": "this router needs an API key: Authorization: Bearer KEY"}
        assert unary(stub, **headers).status == UNAUTHENTICATED
    for path in ("/v2", "/v2/models/digits", "/v2/repository/index", "/anything", "/v2/health/ready/x"):
        assert call(keyed.http + path)[0] == 401
    assert call(f"{keyed.http}/v2/health/ready")[0] == 200
    assert stub.ServerReady(pb.ServerReadyRequest()).ready


@pytest.mark.parametrize("how", [{"x_api_key": "all-secret"}, {"authorization": "bearer all-secret"}])
def test_key_opens_both_protocols_in_either_header(
    keyed: Router, stub: rpc.GRPCInferenceServiceStub, how: dict[str, str]
) -> None:
    assert rest(keyed, **how).status == 200
    assert unary(stub, **how).status == 0


def test_servers_never_see_a_key(keyed: Router) -> None:
    headers = {"x-api-key": "all-secret", "authorization": "Bearer all-secret", "x-else": "1"}
    status, answer = call(f"{keyed.http}/v2/models/digits/config", headers=headers)
    assert status == 200 and "x-else" in answer["headers"]
    assert not {"x-api-key", "authorization"} & set(answer["headers"])


def test_no_file_holds_a_key_and_only_its_account_reads_digests(keyed: Router) -> None:
    texts = [path.read_text(errors="replace") for path in keyed.folder.iterdir() if path.is_file()]
    assert not any("all-secret" in text for text in texts)
    assert KEYS[0].digest.upper() not in (keyed.folder / CONFIG).read_text()
    assert (keyed.folder / "keys.map").stat().st_mode & 0o777 == 0o600


def test_rate_is_kept_and_a_client_that_insists_still_gets_it(
    keyed: Router, stub: rpc.GRPCInferenceServiceStub
) -> None:
    answers = [rest(keyed, x_api_key="slow-secret") for _ in range(12)]
    assert Counter(a.status for a in answers) == {200: 5, 429: 7}
    assert answers[-1].body == {"error": "too many requests a second with this API key"}
    assert answers[-1].headers["retry-after"] == "1"
    assert unary(stub, x_api_key="slow-secret").status == EXHAUSTED
    began, passed = time.monotonic(), 0
    while time.monotonic() < began + 3.0:
        passed += rest(keyed, x_api_key="slow-secret").status == 200
    assert 9 <= passed <= 20


def test_concurrency_is_kept_over_both_protocols_together(
    keyed: Router, stub: rpc.GRPCInferenceServiceStub
) -> None:
    def ask(number: int) -> int:
        if number % 2:
            return {0: 200, EXHAUSTED: 429}[unary(stub, x_api_key="few-secret", x_delay="400").status]
        return rest(keyed, x_api_key="few-secret", x_delay="400").status

    assert Counter(together(6, ask)) == {200: 2, 429: 4}
    assert rest(keyed, x_api_key="few-secret").status == 200


def test_key_of_some_models_opens_no_other(keyed: Router, stub: rpc.GRPCInferenceServiceStub) -> None:
    assert rest(keyed, x_api_key="one-secret").status == 200
    assert unary(stub, x_api_key="one-secret").status == 0
    assert stub.ModelReady(pb.ModelReadyRequest(name="digits"), metadata=[("x-api-key", "one-secret")]).ready
    assert rest(keyed, "seq", x_api_key="one-secret").status == 403
    assert unary(stub, "seq", x_api_key="one-secret").status == DENIED
    for path in (
        "/v2/models/seq",
        "/v2/models/stats",
        "/v2/models/digits/../seq/infer",
        "/v2/models//seq/infer",
    ):
        assert rest(keyed, path=path, x_api_key="one-secret").status == 403
    for ask, message in (
        (stub.ModelReady, pb.ModelReadyRequest(name="seq")),
        (stub.ModelStatistics, pb.ModelStatisticsRequest()),
    ):
        with pytest.raises(grpc.RpcError) as refused:
            ask(message, metadata=[("x-api-key", "one-secret")])
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


def named(*names: str, then: bytes = b"") -> bytes:
    """A message whose field 1, the model's name, stands there so many times."""
    return b"".join(b"\x0a" + bytes([len(n)]) + n.encode() for n in names) + then


@pytest.mark.parametrize(
    "message",
    [
        named("digits", "seq"),
        named("digits", then=b"\x0b\x0c" + named("seq")),  # behind a group, which protobuf skips
        named("digits", then=b"\x8a\x00\x03seq"),  # a tag that is longer than it need be
        named("digits", then=b"\x12\x01" + b"1" + named("seq")),
        named("digits", then=b"\x3a" + struct.pack("B", 200)),  # cut
        b"",
    ],
)
def test_message_that_could_mean_another_model_is_denied(keyed: Router, message: bytes) -> None:
    """protobuf takes the last of several, and a router that looks at the first would be fooled."""
    with grpc.insecure_channel(keyed.grpc) as channel:
        ask = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        with pytest.raises(grpc.RpcError) as refused:
            ask(message, metadata=[("x-api-key", "one-secret")], timeout=5)
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_key_of_some_models_opens_no_stream_and_no_large_message(
    keyed: Router, stub: rpc.GRPCInferenceServiceStub
) -> None:
    metadata = [("x-api-key", "one-secret")]
    large = pb.ModelInferRequest(model_name="digits", raw_input_contents=[b"\0" * 300_000])
    for ask in (
        lambda: next(
            stub.ModelStreamInfer(iter([pb.ModelInferRequest(model_name="digits")]), metadata=metadata)
        ),
        lambda: stub.ModelInfer(large, metadata=metadata),
    ):
        with pytest.raises(grpc.RpcError) as refused:
            ask()
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert "no streams" in refused.value.details()


def test_keys_come_and_go_under_load_without_a_reload(keyed: Router) -> None:
    pid = keyed.look().pid
    with repeated(4, lambda: rest(keyed, x_api_key="all-secret"), pause=0.002) as answers:
        for number in range(5):
            more = key(f"new{number}", models=("digits",))
            keyed.view = replace(keyed.view, keys=(*KEYS, more))
            assert keyed.apply() == "told 2 commands, configuration written"
            assert rest(keyed, x_api_key=f"new{number}-secret").status == 200
            keyed.view = replace(keyed.view, keys=KEYS)
            assert keyed.apply() == "told 2 commands, configuration written"
            assert rest(keyed, x_api_key=f"new{number}-secret").status == 401
    assert {a.status for a in answers} == {200} and len(answers) > 100
    assert keyed.look().pid == pid
    assert keyed.apply() == "nothing to do"


def test_thousand_keys_are_told_and_survive_a_boot_from_the_file(keyed: Router) -> None:
    many = tuple(sorted(key(f"k{n:04}", models=("digits", "seq")) for n in range(1000)))
    keyed.view = replace(keyed.view, keys=many)
    assert keyed.apply().endswith("configuration written")
    assert rest(keyed, x_api_key="k0999-secret").status == 200
    keyed.reload()
    assert rest(keyed, x_api_key="k0999-secret").status == 200
    assert rest(keyed, x_api_key="all-secret").status == 401


def test_key_at_ten_times_the_load_does_not_starve_another(make_router: Make) -> None:
    """Two at once of 30 ms and twenty that wait: one key asks forty at a time, the other four."""
    router = make_router(keys=(key("loud"), key("quiet")))
    admitted = replace(router.view.pools[0], admission=Admission(2, 20, 5.0))
    router.view = replace(router.view, pools=(admitted, *router.view.pools[1:]))
    router.set(n2=SlotState.OFF)
    with repeated(40, lambda: rest(router, x_api_key="loud-secret", x_delay="30"), pause=0.05) as loud:
        wait_for(lambda: sum(a.status == 200 for a in loud) > 20, "the overload")
        with repeated(4, lambda: rest(router, x_api_key="quiet-secret", x_delay="30"), pause=0.05) as quiet:
            time.sleep(3.0)
    served = {
        name: [a for a in answers if a.status == 200] for name, answers in (("loud", loud), ("quiet", quiet))
    }
    print(
        {name: (len(a), round(percentile(a, 0.5), 3)) for name, a in served.items()},
        Counter(a.status for a in quiet),
    )
    assert {a.status for a in loud} == {200, 429}
    assert any(
        a.body.get("error") == "this API key has its share of the requests that wait for this model"
        for a in loud
    )
    assert {a.status for a in quiet} == {200}
    assert percentile(served["quiet"], 0.5) < percentile(served["loud"], 0.5)
