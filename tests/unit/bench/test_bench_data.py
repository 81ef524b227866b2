"""What is sent fits the model, whether it is made up, real, or in a batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from distctl.adapters.bench import plot
from distctl.adapters.tensors import tensors
from distctl.app.bench import cluster_way, data_for, refuse_unanswerable, run_perf_analyzer, url_way
from distctl.app.entrance import Entrance, Identity
from distctl.app.session import Session
from distctl.cluster.spec import Connection, Endpoint, Node, Server, ServerId, Spec
from distctl.errors import InputError
from distctl.policy.bench.data import Input, ModelShape, batched, made, model_shape, shapes
from distctl.policy.bench.perf_analyzer import command, input_data
from distctl.policy.bench.step import Arrivals, Loop, Step

SIMPLE = ModelShape("simple", (Input("A", "INT32", (16,)), Input("B", "BYTES", (-1, 2))), max_batch=8)
CHAT = ModelShape("chat", (Input("P", "BYTES", (1,)), Input("N", "INT32", (1,), optional=True)))


def test_a_configuration_is_read_alike_from_rest_and_grpc() -> None:
    rest: dict[str, Any] = {
        "name": "m",
        "max_batch_size": 8,
        "input": [
            {"name": "A", "data_type": "TYPE_FP32", "dims": [3, -1], "optional": False},
            {"name": "B", "data_type": "TYPE_STRING", "dims": [1], "optional": True},
        ],
        "sequence_batching": {},
        "model_transaction_policy": {"decoupled": True},
    }
    grpc: dict[str, Any] = {
        **rest,
        "input": [
            {"name": "A", "data_type": "TYPE_FP32", "dims": ["3", "-1"]},
            {"name": "B", "data_type": "TYPE_STRING", "dims": ["1"], "optional": True},
        ],
    }
    wanted = ModelShape(
        "m", (Input("A", "FP32", (3, -1)), Input("B", "BYTES", (1,), optional=True)), 8, True, True
    )
    assert model_shape(rest) == model_shape(grpc) == wanted


def test_made_data_fill_their_shape_and_the_batch_comes_first() -> None:
    request = made(SIMPLE, {"B": (3, 2)}, 4)
    assert [(t["name"], t["shape"], len(t["data"])) for t in request["inputs"]] == [
        ("A", [4, 16], 64),
        ("B", [4, 3, 2], 24),
    ]
    assert made(SIMPLE, {"B": (3, 2)}, 4) == request


def test_a_model_without_batches_gets_its_shape_alone_and_optional_inputs_only_when_named() -> None:
    assert [t["shape"] for t in made(CHAT, {}, 1)["inputs"]] == [[1]]
    assert [t["name"] for t in made(CHAT, {"N": (1,)}, 1)["inputs"]] == ["P", "N"]


def test_sequences_begin_and_end_with_each_request() -> None:
    made_up = made(ModelShape("s", (Input("A", "INT32", (1,)),), 8, sequences=True), {}, 1)
    assert made_up["parameters"] == {"sequence_id": 1, "sequence_start": True, "sequence_end": True}


@pytest.mark.parametrize("datatype", ["FP32", "FP16", "INT8", "UINT64", "BOOL", "BYTES"])
def test_made_data_are_what_the_client_library_takes(datatype: str) -> None:
    import tritonclient.grpc
    import tritonclient.http

    request = made(ModelShape("m", (Input("A", datatype, (2, 3)),)), {}, 1)
    for kind in (tritonclient.grpc.InferInput, tritonclient.http.InferInput):
        (tensor,) = tensors(kind, request)
        assert (tensor.name(), tensor.datatype(), tensor.shape()) == ("A", datatype, [2, 3])


@pytest.mark.parametrize(
    ("model", "given", "batch", "said"),
    [
        (SIMPLE, {}, 1, r"B as \[-1,2\]: an open dimension has no size"),
        (SIMPLE, {"B": (3, 3)}, 1, r"not \[3,3\]"),
        (SIMPLE, {"B": (2,)}, 1, r"not \[2\]"),
        (SIMPLE, {"C": (1,)}, 1, "no input 'C'"),
        (SIMPLE, {"B": (1, 2)}, 9, "at most 8 in a batch"),
        (CHAT, {}, 2, "no batch dimension"),
        (SIMPLE, {"B": (9_000_000, 2)}, 1, "18000000 elements"),
    ],
)
def test_what_does_not_fit_the_model_is_refused(
    model: ModelShape, given: dict[str, tuple[int, ...]], batch: int, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        made(model, given, batch)


def test_shapes_are_read_by_input() -> None:
    assert shapes(["A:1,16", "ns:B:3"]) == {"A": (1, 16), "ns:B": (3,)}


@pytest.mark.parametrize("word", ["A", "A:", ":3", "A:x", "A:0", "A:1,,2", "A:-1"])
def test_a_shape_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(InputError, match="not NAME:DIM,DIM"):
        shapes([word])


REAL = {"inputs": [{"name": "A", "datatype": "INT32", "shape": [2, 2], "data": [[1, 2], [3, 4]]}]}


def test_a_real_request_is_repeated_to_its_batch() -> None:
    (tensor,) = batched(SIMPLE, REAL, 3)["inputs"]
    assert (tensor["shape"], tensor["data"]) == ([3, 2], [1, 2, 1, 2, 1, 2])
    assert batched(SIMPLE, REAL, None) is REAL


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a JSON request"),
        ("[]", "no list `inputs`"),
        ('{"inputs": 5}', "no list `inputs`"),
    ],
)
def test_a_file_that_is_no_request_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "request.json"
    file.write_text(text)
    with pytest.raises(InputError, match=said):
        data_for(SIMPLE, session=None, file=file, given=(), batch=None)


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"name": "A", "datatype": "INT32", "shape": [1, 2]}, "no `data`"),
        ({"name": "A", "datatype": "INT32", "shape": [1, 2], "data": [1]}, "input A: cannot reshape"),
        ({"name": "A", "datatype": "WHAT", "shape": [1], "data": ["x"]}, "input A"),
        (5, "is no object"),
    ],
)
def test_an_input_that_is_not_whole_is_refused(item: Any, said: str) -> None:
    import tritonclient.http

    with pytest.raises(InputError, match=said):
        tensors(tritonclient.http.InferInput, {"inputs": [item]})


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.json"):
        data_for(SIMPLE, session=None, file=tmp_path / "nowhere.json", given=(), batch=None)


def test_without_samples_data_are_made_up() -> None:
    found = data_for(CHAT, session=None, file=None, given=(), batch=None)
    assert "made up" in found.origin
    assert len(found.requests) == 1


def test_a_stream_of_answers_needs_a_stream() -> None:
    model = ModelShape("chat", (), decoupled=True)
    with pytest.raises(InputError, match="only a stream"):
        refuse_unanswerable(model, "http")
    refuse_unanswerable(model, "stream")


def test_an_address_is_host_and_port() -> None:
    assert url_way("gpu01:8000", "http", 1.0).target.endpoint == Endpoint("gpu01", 8000)
    assert url_way("[::1]:8001", "grpc", 1.0).target.endpoint == Endpoint("::1", 8001)


@pytest.mark.parametrize("url", ["gpu01", "http://gpu01:8000", ":8000", "gpu01:0", "gpu01:70000", "gpu01:x"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="not host:port"):
        url_way(url, "http", 1.0)


class Reached:
    """A cluster of one server, each place of which is reached through a tunnel or not."""

    def __init__(self, *, tunnel: bool) -> None:
        self.server = Server(ServerId("n1", "0"), "10.0.0.1", 9000, 9001, 9002)
        self.spec = Spec("c", (Node("n1", Connection.SSH, "10.0.0.1", "10.0.0.1", servers=(self.server,)),))
        self._tunnel = tunnel

    def endpoint(self, *, grpc: bool) -> Endpoint:
        return Endpoint("10.0.0.2", 8001 if grpc else 8000)

    def entrance(self, *, grpc: bool) -> Entrance:
        return Entrance(Endpoint("127.0.0.1", 40_000) if self._tunnel else self.endpoint(grpc=grpc))

    @property
    def parts(self) -> Reached:
        return self

    routers = parts

    def reach(self, _: Server, there: Endpoint) -> Endpoint:
        return Endpoint("127.0.0.1", 40_000) if self._tunnel else there


@pytest.mark.parametrize(
    ("direct", "protocol", "where", "endpoint"),
    [
        (None, "http", "the router", Endpoint("10.0.0.2", 8000)),
        (None, "stream", "the router", Endpoint("10.0.0.2", 8001)),
        ("n1", "http", "n1/0", Endpoint("10.0.0.1", 9000)),
        ("n1/0", "grpc", "n1/0", Endpoint("10.0.0.1", 9001)),
    ],
)
def test_the_way_is_to_the_router_or_to_one_server_and_a_tunnel_is_known(
    direct: str | None, protocol: str, where: str, endpoint: Endpoint
) -> None:
    who = Identity("dk_secret")
    straight = cluster_way(cast(Session, Reached(tunnel=False)), direct, protocol, 1.0, who)
    assert (straight.where, straight.target.endpoint, straight.tunnelled) == (where, endpoint, False)
    assert bool(straight.target.headers) is (direct is None), "a key is the router's alone"
    assert cluster_way(cast(Session, Reached(tunnel=True)), direct, protocol, 1.0, who).tunnelled


def test_a_picture_without_matplotlib_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(InputError, match="matplotlib") as raised:
        plot.require(tmp_path / "x.png")
    assert "distctl[plot]" in raised.value.hint


def test_a_picture_needs_a_place(tmp_path: Path) -> None:
    for file in (tmp_path / "x.jpg", tmp_path / "no" / "x.png"):
        with pytest.raises(InputError, match="--plot"):
            plot.require(file)


def test_perf_analyzer_is_used_only_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    data = data_for(CHAT, session=None, file=None, given=(), batch=None)
    target = url_way("gpu01:8000", "http", 1.0).target
    with pytest.raises(InputError, match="perf_analyzer is not installed"):
        run_perf_analyzer([Step(Loop.CLOSED, 1)], target, CHAT, data, None)


DATA = Path("/d.json")
BASE = ("perf_analyzer", "-m", "simple", "-u", "gpu01:8000")


@pytest.mark.parametrize(
    ("step", "protocol", "batch", "wanted"),
    [
        (
            Step(Loop.CLOSED, 4, 2.5),
            "http",
            1,
            "-i http -b 1 --input-data /d.json --concurrency-range 4 --measurement-interval 2500",
        ),
        (
            Step(Loop.CLOSED, 16, 10.0, 500),
            "grpc",
            8,
            "-i grpc -b 8 --input-data /d.json --concurrency-range 16 --request-count 500",
        ),
        (
            Step(Loop.OPEN, 50, 10.0, arrivals=Arrivals.CONSTANT),
            "stream",
            1,
            "-i grpc --streaming -b 1 --input-data /d.json --request-rate-range 50 "
            "--request-distribution constant --measurement-interval 10000",
        ),
    ],
)
def test_perf_analyzer_is_told_the_same(step: Step, protocol: str, batch: int, wanted: str) -> None:
    words = command(
        step, model="simple", endpoint=Endpoint("gpu01", 8000), protocol=protocol, batch=batch, data=DATA
    )
    assert words == (*BASE, *wanted.split())


def test_perf_analyzers_data_are_one_row_without_the_batch() -> None:
    row = '{"data": [{"A": {"content": [1, 2], "shape": [2]}}]}'
    assert input_data([REAL], batches=True) == input_data([batched(SIMPLE, REAL, 3)], batches=True) == row
