"""The router as one Triton: any client changes the address alone, and gets what a server would say."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from local_cluster import LocalCluster, local_cluster, wait_until

CLIENTS = {"http": tritonclient.http, "grpc": tritonclient.grpc}
ECHO = "simple_identity"


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """One server, so that its own answers are what the router's have to be."""
    with local_cluster(nodes=1, models={ECHO: 1, "textgen": 1, "simple_sequence": 1}) as cluster:
        cluster.up()
        yield cluster


@dataclass(frozen=True)
class Ways:
    """The same server by itself and through the router."""

    direct: Any
    routed: Any


def ways(cluster: LocalCluster, protocol: str, library: ModuleType | None = None) -> Ways:
    library = library or CLIENTS[protocol]
    own = cluster.spec["nodes"]["n1"]["servers"]["ports"] + (protocol == "grpc")
    ports = (own, cluster.ports[protocol])
    return Ways(*(library.InferenceServerClient(f"127.0.0.1:{port}") for port in ports))


def echo(library: ModuleType, text: bytes, **how: Any) -> list[Any]:
    tensor = library.InferInput("INPUT0", [1, 1], "BYTES")
    tensor.set_data_from_numpy(np.array([[text]], dtype=object), **how)
    return [tensor]


@pytest.mark.parametrize("protocol", CLIENTS)
def test_what_a_server_tells_of_itself_and_its_models_is_told_unchanged(
    cluster: LocalCluster, protocol: str
) -> None:
    two = ways(cluster, protocol)
    for ask in (
        lambda client: client.is_server_live(),
        lambda client: client.is_server_ready(),
        lambda client: client.is_model_ready(ECHO),
        lambda client: client.is_model_ready(ECHO, "1"),
        lambda client: client.get_server_metadata(),
        lambda client: client.get_model_metadata(ECHO),
        lambda client: client.get_model_config("textgen"),
    ):
        assert ask(two.routed) == ask(two.direct)


@pytest.mark.parametrize("size", [1_000, 1_000_000, 20_000_000, 200_000_000])
@pytest.mark.parametrize("protocol", CLIENTS)
def test_bodies_of_every_size_go_both_ways_whole(cluster: LocalCluster, protocol: str, size: int) -> None:
    text = np.random.default_rng(size).bytes(size // 2).hex().encode()
    client = ways(cluster, protocol).routed
    answer = client.infer(ECHO, echo(CLIENTS[protocol], text))
    assert answer.as_numpy("OUTPUT0").item() == text


@pytest.mark.parametrize("answer", ["gzip", "deflate", None])
@pytest.mark.parametrize("request_by", ["gzip", "deflate", None])
def test_http_is_compressed_both_ways(
    cluster: LocalCluster, request_by: str | None, answer: str | None
) -> None:
    text = b"as they say " * 20_000
    for binary in (True, False):
        got = ways(cluster, "http").routed.infer(
            ECHO,
            echo(tritonclient.http, text, binary_data=binary),
            request_compression_algorithm=request_by,
            response_compression_algorithm=answer,
        )
        assert got.as_numpy("OUTPUT0").item() == text


def test_a_compressed_step_of_a_sequence_is_refused_since_nobody_could_read_whose_it_is(
    cluster: LocalCluster,
) -> None:
    tensor = tritonclient.http.InferInput("INPUT", [1, 1], "INT32")
    tensor.set_data_from_numpy(np.array([[1]], dtype=np.int32))
    client = ways(cluster, "http").routed
    step = {"sequence_id": 7, "sequence_start": True, "sequence_end": True}
    assert client.infer("simple_sequence", [tensor], **step)
    with pytest.raises(tritonclient.http.InferenceServerException) as refused:
        client.infer("simple_sequence", [tensor], request_compression_algorithm="gzip", **step)
    assert refused.value.status() == "415" and "compressed" in refused.value.message()


@pytest.mark.parametrize("protocol", CLIENTS)
def test_errors_are_the_servers_own(cluster: LocalCluster, protocol: str) -> None:
    library, two = CLIENTS[protocol], ways(cluster, protocol)
    said = []
    for client in (two.direct, two.routed):
        wrong = library.InferInput("NONE", [1, 1], "BYTES")
        wrong.set_data_from_numpy(np.array([[b"x"]], dtype=object))
        with pytest.raises(Exception, match="NONE") as error:
            client.infer(ECHO, [wrong])
        said.append((error.value.status(), error.value.message()))
    assert said[0] == said[1]


async def _many(library: ModuleType, protocol: str, url: str) -> list[bytes]:
    async with library.InferenceServerClient(url) as client:
        texts = [f"number {n}".encode() for n in range(40)]
        answers = await asyncio.gather(*(client.infer(ECHO, echo(CLIENTS[protocol], t)) for t in texts))
        return [answer.as_numpy("OUTPUT0").item() for answer in answers]


@pytest.mark.parametrize("protocol", CLIENTS)
def test_asynchronous_clients_of_both_protocols(cluster: LocalCluster, protocol: str) -> None:
    library = {"http": tritonclient.http.aio, "grpc": tritonclient.grpc.aio}[protocol]
    answers = asyncio.run(_many(library, protocol, f"127.0.0.1:{cluster.ports[protocol]}"))
    assert answers == [f"number {n}".encode() for n in range(40)]


def ask(cluster: LocalCluster, path: str, body: dict[str, Any], **headers: str) -> bytes:
    request = urllib.request.Request(
        f"http://127.0.0.1:{cluster.ports['http']}{path}",
        json.dumps(body).encode(),
        {"content-type": "application/json", **{k.replace("_", "-"): v for k, v in headers.items()}},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        content: bytes = answer.read()
        return gzip.decompress(content) if answer.headers.get("content-encoding") == "gzip" else content


OTHERS = """
import sys, grpc
from open_inference.grpc.protocol import ModelInferRequest, ModelReadyRequest
from open_inference.grpc.service import GRPCInferenceServiceStub
from open_inference.openapi.client import OpenInferenceClient, InferenceRequest
rest = OpenInferenceClient(base_url=f"http://127.0.0.1:{sys.argv[1]}")
rest.check_server_readiness()
rest.check_model_readiness("simple_identity")
tensor = {"name": "INPUT0", "shape": [1, 1], "datatype": "BYTES", "data": ["as it is"]}
answer = rest.model_infer("simple_identity", request=InferenceRequest.parse_obj({"inputs": [tensor]}))
print(answer.json())
stub = GRPCInferenceServiceStub(grpc.insecure_channel(f"127.0.0.1:{sys.argv[2]}"))
assert stub.ModelReady(ModelReadyRequest(name="simple_identity")).ready
wanted = ModelInferRequest(model_name="simple_identity")
given = wanted.inputs.add(name="INPUT0", shape=[1, 1], datatype="BYTES")
given.contents.bytes_contents.append(b"as it is")
print(stub.ModelInfer(wanted).raw_output_contents[0])
"""


def test_clients_that_are_not_nvidias(cluster: LocalCluster) -> None:
    """The Open Inference Protocol's own two, in a process of their own: messages of one name clash."""
    ports = [str(cluster.ports[protocol]) for protocol in CLIENTS]
    words = [sys.executable, "-c", OTHERS, *ports]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("as it is") == 2, ran.stdout


def test_generate_answers_and_streams(cluster: LocalCluster) -> None:
    wanted = {"PROMPT": "The data", "MAX_TOKENS": 5}
    events = ask(cluster, "/v2/models/textgen/generate_stream", wanted).split(b"\n\n")
    assert [json.loads(event.removeprefix(b"data: "))["INDEX"] for event in events if event] == [
        0,
        1,
        2,
        3,
        4,
    ]


def test_ready_means_every_model_unless_the_file_says_any(cluster: LocalCluster) -> None:
    """An operator who takes one model's replicas away, and one that cannot be loaded."""
    two = ways(cluster, "http"), ways(cluster, "grpc")
    cluster.run("scale", "textgen=0")
    assert all(way.routed.is_server_ready() for way in two), "a model that nobody wants is not waited for"
    key = (cluster.root("n1") / "units/server-0/key").read_text().strip()
    two[0].direct.unload_model(ECHO, headers={"distctl-key": key})
    wait_until(lambda: not two[0].routed.is_server_ready(), "the router to miss the model")
    with pytest.raises(Exception, match=f"not ready: no server has {ECHO}"):
        two[1].routed.is_server_ready()
    cluster.spec["routers"]["main"]["ready"] = "any"
    cluster.write()
    cluster.up()
    for protocol in CLIENTS:  # on connections of their own: an older one's next answer is the old worker's
        assert ways(cluster, protocol).routed.is_server_ready()
