"""Constant load of several clients whose every answer is verified."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import time
from collections.abc import Iterator

import grpc
from router_crowd import Clients
from router_harness import Router
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as rpc

OWN = [("grpc.use_local_subchannel_pool", 1)]  # a connection of its own for each client


class Load(Clients):
    """REST kept alive and new each time, gRPC unary and streams."""

    def __init__(self, router: Router, *, streams: bool = True) -> None:
        self._router = router
        clients = [self._kept, self._kept, self._new, self._grpc, self._grpc]
        super().__init__([*clients, *([self._stream] if streams else [])])

    def _kept(self) -> Iterator[None]:
        connection = http.client.HTTPConnection("127.0.0.1", self._router.view.http_port, timeout=10)
        with contextlib.closing(connection):
            number = 0
            while True:
                number += 1
                self._ask(connection, json.dumps({"inputs": [], "id": str(number)}).encode())
                yield

    def _new(self) -> Iterator[None]:
        connection = http.client.HTTPConnection("127.0.0.1", self._router.view.http_port, timeout=10)
        with contextlib.closing(connection):
            self._ask(connection, b"x" * 60_000)
        yield

    def _ask(self, connection: http.client.HTTPConnection, body: bytes) -> None:
        connection.request("POST", "/v2/models/digits/infer", body)
        answer = connection.getresponse()
        said = answer.read()
        assert answer.status == 200, f"{answer.status} {said!r}"
        assert json.loads(said)["digest"] == hashlib.sha256(body).hexdigest()

    def _grpc(self) -> Iterator[None]:
        with grpc.insecure_channel(self._router.grpc, options=OWN) as channel:
            stub, number = rpc.GRPCInferenceServiceStub(channel), 0
            while True:
                number += 1
                data = str(number).encode() * 20
                request = pb.ModelInferRequest(model_name="digits", raw_input_contents=[data])
                assert stub.ModelInfer(request, timeout=10).raw_output_contents[0] == data
                yield

    def _stream(self) -> Iterator[None]:
        """One stream after the other, each with twenty messages over about two seconds."""
        with grpc.insecure_channel(self._router.grpc, options=OWN) as channel:
            stub = rpc.GRPCInferenceServiceStub(channel)
            answers = stub.ModelStreamInfer(self._messages(), timeout=30)
            for number, answer in enumerate(answers):
                assert answer.infer_response.raw_output_contents[0] == str(number).encode()
                yield
            assert number == 19

    def _messages(self) -> Iterator[pb.ModelInferRequest]:
        for number in range(20):
            yield pb.ModelInferRequest(model_name="digits", raw_input_contents=[str(number).encode()])
            time.sleep(0.1)
