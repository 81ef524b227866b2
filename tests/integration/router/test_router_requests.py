"""What a client may ask, where it goes, and what is refused: over REST and gRPC alike."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable

import grpc
import pytest
from router_harness import Router, StandIn, call, wait_for, workers_of
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as rpc

from distctl.cluster.router import SlotState

NOTHING = b'{"inputs":[]}'
SIZE = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


@pytest.fixture
def stub(router: Router):
    with grpc.insecure_channel(router.grpc, options=SIZE) as channel:
        yield rpc.GRPCInferenceServiceStub(channel)


def request(model: str = "digits", size: int = 64, sequence: int | str = 0, flags: bool = True):
    made = pb.ModelInferRequest(model_name=model, raw_input_contents=[b"\0" * size])
    made.inputs.add(name="x", datatype="UINT8", shape=[size])
    if sequence:
        made.parameters["sequence_start"].bool_param = False
        made.parameters["priority"].uint64_param = 3
        if isinstance(sequence, str):
            made.parameters["sequence_id"].string_param = sequence
        else:
            made.parameters["sequence_id"].int64_param = sequence
        made.parameters["sequence_end"].bool_param = False
    return made


def server_of(answer) -> str:
    return answer.parameters["server"].string_param


def raw(router: Router, path: str) -> tuple[int, dict]:
    """A request whose path is sent as it is written."""
    connection = http.client.HTTPConnection("127.0.0.1", router.view.http_port, timeout=5)
    connection.putrequest("POST", path)
    connection.putheader("content-length", "2")
    connection.endheaders(b"{}")
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, json.loads(body or b"{}")


def test_small_replay_limit_serves_both_protocols(make_router: Callable[..., Router]) -> None:
    router = make_router(replay_limit=1024)
    router.apply()
    assert router.infer()[0] == 200
    with grpc.insecure_channel(router.grpc, options=SIZE) as channel:
        for size in (64, 100_000):
            answer = rpc.GRPCInferenceServiceStub(channel).ModelInfer(request(size=size), timeout=5)
            assert server_of(answer) in {"n1", "n2"}


def test_both_protocols_on_both_ports(router: Router) -> None:
    for port in (router.view.http_port, router.view.grpc_port):
        status, answer = call(f"http://127.0.0.1:{port}/v2/models/digits/infer", NOTHING)
        assert (status, answer["model"]) == (200, "digits")
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            assert rpc.GRPCInferenceServiceStub(channel).ModelInfer(request()).model_name == "digits"


@pytest.mark.parametrize(
    "path",
    [
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/stats",
        "/v2/models/digits",
        "/v2/models/digits/ready",
        "/v2/models/digits/config",
        "/v2/models/digits/stats",
        "/v2/models/digits/versions/1/ready",
    ],
)
def test_what_triton_answers_is_asked_of_triton(router: Router, path: str) -> None:
    status, answer = call(router.http + path)
    assert (status, answer["path"]) == (200, path)


def test_request_goes_to_a_server_of_its_model_alone(
    router: Router, servers: list[StandIn], stub: rpc.GRPCInferenceServiceStub
) -> None:
    servers[0].load("seq")
    wait_for(lambda: not router.sight("n1").healthy, "the check")
    time.sleep(0.3)  # and once more: two failed checks take a server out
    assert {router.infer()[1]["server"] for _ in range(6)} == {"n2"}
    assert {server_of(stub.ModelInfer(request())) for _ in range(6)} == {"n2"}
    assert {router.infer("seq")[1]["server"] for _ in range(6)} == {"n1", "n2"}


def test_unknown_model_is_not_found(router: Router, stub: rpc.GRPCInferenceServiceStub) -> None:
    assert router.infer("nope") == (404, {"error": "Request for unknown model: nope is not found"})
    assert router.infer('no"pe')[0] == 404
    for ask in (
        lambda: stub.ModelInfer(request("nope")),
        lambda: next(stub.ModelStreamInfer(iter([request("nope")]))),
        lambda: stub.ModelReady(pb.ModelReadyRequest(name="nope")),
    ):
        with pytest.raises(grpc.RpcError) as refused:
            ask()
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND
        assert refused.value.details() == "Request for unknown model: 'nope' is not found"


@pytest.mark.parametrize(
    "path",
    [
        "/v2/repository/index",
        "/v2/repository/models/digits/load",
        "/v2/repository/models/digits/unload",
        "/v2/systemsharedmemory/region/a/register",
        "/v2/cudasharedmemory/status",
        "/v2/trace/setting",
        "/v2/models/digits/trace/setting",
        "/v2/logging",
        "//v2/repository/index",
        "/v2//repository/index",
        "/v2/./repository/index",
        "/./v2/repository/index",
        "/v2/models/../repository/index",
        "/v2/%72epository/index",
        "/v2/%2e/repository/index",
        "/v2/models/%2e%2e/repository/models/digits/load",
        "/../v2/repository/index",
        "/%2e%2e/v2//%2e/%6cogging",
    ],
)
def test_rest_control_is_forbidden_however_it_is_written(router: Router, path: str) -> None:
    status, answer = raw(router, path)
    assert status == 403 and "not allowed through the router" in answer["error"]


@pytest.mark.parametrize(
    "path", ["/v2%2Frepository/index", "/V2/repository/index", "/v2/repositor", "/", "/metrics"]
)
def test_path_that_is_no_inference_never_reaches_a_server(router: Router, path: str) -> None:
    assert raw(router, path) == (404, {"error": "Not Found"})


def test_grpc_control_is_denied(router: Router, stub: rpc.GRPCInferenceServiceStub) -> None:
    asks = [
        (stub.RepositoryIndex, pb.RepositoryIndexRequest()),
        (stub.RepositoryModelLoad, pb.RepositoryModelLoadRequest(model_name="digits")),
        (stub.RepositoryModelUnload, pb.RepositoryModelUnloadRequest(model_name="digits")),
        (stub.SystemSharedMemoryStatus, pb.SystemSharedMemoryStatusRequest()),
        (stub.SystemSharedMemoryRegister, pb.SystemSharedMemoryRegisterRequest(name="a")),
        (stub.CudaSharedMemoryUnregister, pb.CudaSharedMemoryUnregisterRequest()),
        (stub.TraceSetting, pb.TraceSettingRequest()),
        (stub.LogSettings, pb.LogSettingsRequest()),
    ]
    for ask, message in asks:
        with pytest.raises(grpc.RpcError) as refused:
            ask(message)
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED


def test_control_dressed_as_the_other_protocol_is_refused(router: Router, servers: list[StandIn]) -> None:
    headers = {"content-type": "application/grpc"}
    assert call(f"{router.http}/v2/repository/index", b"{}", headers)[0] == 403
    path = "/inference.GRPCInferenceService/RepositoryIndex"
    connection = http.client.HTTPConnection("127.0.0.1", router.view.http_port, timeout=5)
    connection.request("POST", path, b"\0\0\0\0\0")
    assert connection.getresponse().getheader("grpc-status") == "7"
    connection.close()


def test_server_calls_of_grpc(router: Router, stub: rpc.GRPCInferenceServiceStub) -> None:
    assert stub.ServerLive(pb.ServerLiveRequest()).live
    assert stub.ServerReady(pb.ServerReadyRequest()).ready
    assert stub.ServerMetadata(pb.ServerMetadataRequest()).name in {"n1", "n2"}
    assert stub.ModelReady(pb.ModelReadyRequest(name="seq")).ready


def test_compressed_message_says_why_it_is_refused(
    router: Router, stub: rpc.GRPCInferenceServiceStub
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        stub.ModelInfer(request(size=4096), compression=grpc.Compression.Gzip)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "compressed" in refused.value.details()


def test_no_ready_server_is_said_in_each_protocols_own_way(
    router: Router, stub: rpc.GRPCInferenceServiceStub
) -> None:
    router.set(n1=SlotState.OFF, n2=SlotState.OFF)
    assert router.infer() == (503, {"error": "no server is ready for this request"})
    with pytest.raises(grpc.RpcError) as refused:
        stub.ModelInfer(request())
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    assert refused.value.details() == "no server is ready for this request"


def test_ten_megabytes_both_ways(router: Router, stub: rpc.GRPCInferenceServiceStub) -> None:
    size = 10 * 1024 * 1024
    assert len(stub.ModelInfer(request(size=size)).raw_output_contents[0]) == size
    assert router.infer(body=b"x" * size)[0] == 200
    assert router.infer(body=iter([b"x" * 65536] * 160))[0] == 200  # chunked, of unknown length


def test_stream_carries_messages_both_ways(router: Router, stub: rpc.GRPCInferenceServiceStub) -> None:
    answers = list(stub.ModelStreamInfer(iter([request(size=100 * n) for n in range(1, 6)])))
    assert [len(a.infer_response.raw_output_contents[0]) for a in answers] == [100, 200, 300, 400, 500]
    assert len({server_of(a.infer_response) for a in answers}) == 1


@pytest.mark.parametrize("model", ["digits", "seq"])
def test_sequence_stays_on_its_server(router: Router, stub: rpc.GRPCInferenceServiceStub, model: str) -> None:
    places: dict[object, set[str]] = {}
    for _ in range(4):
        for number in (1, 2, 3, 4, "red", "blue"):
            places.setdefault(number, set()).add(server_of(stub.ModelInfer(request(model, sequence=number))))
            body = json.dumps({"inputs": [], "parameters": {"sequence_id": number}}).encode()
            places[number].add(router.infer(model, body)[1]["server"])
            places[number].add(router.infer(model, body + b"\0\1\2\3")[1]["server"])
    assert all(len(names) == 1 for names in places.values()), places
    assert {name for names in places.values() for name in names} == {"n1", "n2"}


def test_sequence_survives_a_drain_and_a_reload(router: Router, stub: rpc.GRPCInferenceServiceStub) -> None:
    before = {n: server_of(stub.ModelInfer(request("seq", sequence=n))) for n in range(1, 7)}
    router.set(n1=SlotState.DRAIN)
    assert {n: server_of(stub.ModelInfer(request("seq", sequence=n))) for n in before} == before
    assert {server_of(stub.ModelInfer(request("seq", sequence=n))) for n in range(10, 14)} == {"n2"}
    worker = router.look().pid
    router.reload()
    assert worker != router.look().pid
    assert {n: server_of(stub.ModelInfer(request("seq", sequence=n))) for n in before} == before


def test_operations_port_names_the_worker_and_exports_metrics(router: Router) -> None:
    base = f"http://127.0.0.1:{router.view.metrics_port}"
    connection = http.client.HTTPConnection("127.0.0.1", router.view.metrics_port, timeout=5)
    connection.request("GET", "/healthz")
    assert int(connection.getresponse().read()) in workers_of(router)
    connection.request("GET", "/metrics")
    assert b'haproxy_server_status{proxy="digits_r",server="n1.0"' in connection.getresponse().read()
    connection.close()
    assert call(f"{base}/")[0] == 404


def test_events_of_a_stream_come_one_by_one(router: Router) -> None:
    """Held together, the first token of a generated text would come late."""
    connection = http.client.HTTPConnection("127.0.0.1", router.view.http_port, timeout=5)
    connection.request("POST", "/v2/models/digits/generate_stream", b"{}", {"x-delay": "100"})
    answer = connection.getresponse()
    chunks = [answer.read1() for _ in range(5)]
    connection.close()
    assert [chunk.count(b"data:") for chunk in chunks] == [1, 1, 1, 1, 1]
