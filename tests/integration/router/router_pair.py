"""Clients of two routers, as if behind a balancer: health says where to go, and what is told is heeded."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import threading
import time
import urllib.request
from collections.abc import Iterator

import grpc
from router_crowd import Clients
from router_harness import Router
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as rpc

OWN = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 100),  # a router that comes back is found before the next one goes
    ("grpc.default_authority", "router"),  # that of several addresses is none that HTTP/2 allows
]


class Pair(Clients):
    """Verified load on several routers until the context ends.

    REST clients keep a connection until they are told to close it, and open each new one to a router whose
    health path says 200 (asked every 50 ms). gRPC clients know every address and obey GOAWAY. One client
    pauses for two seconds between its requests.
    """

    def __init__(self, *routers: Router) -> None:
        self._routers, self._healthy = routers, list(routers)
        clients = (self._rest, self._rest, self._rare, self._unary, self._unary, self._stream, self._stream)
        super().__init__(clients)
        self.threads.append(threading.Thread(target=self._watch))

    def require_whole(self) -> None:
        assert not self.failures, self.failures[:5]
        assert min(self.count.get(name, 0) for name in ("_rest", "_rare", "_unary", "_stream")) > 1, (
            self.count
        )

    def _watch(self) -> None:
        while not self.over.wait(0.05):
            self._healthy = [router for router in self._routers if _says_ready(router)]

    def _rest(self, pause: float = 0.0) -> Iterator[None]:
        """One connection, until the router says `Connection: close`."""
        port = self._healthy[hash(threading.get_ident()) % len(self._healthy)].view.http_port
        number, told = 0, ""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with contextlib.closing(connection):
            while told != "close":
                number += 1
                body = f"{port} {number}".encode() * 20
                connection.request("POST", "/v2/models/digits/infer", body)
                answer = connection.getresponse()
                said, told = answer.read(), answer.getheader("connection", "")
                assert answer.status == 200 and hashlib.sha256(body).hexdigest().encode() in said, said
                yield
                self.over.wait(pause)

    def _rare(self) -> Iterator[None]:
        yield from self._rest(2.0)

    def _stub(self) -> contextlib.AbstractContextManager[grpc.Channel]:
        addresses = ",".join(f"127.0.0.1:{router.view.grpc_port}" for router in self._routers)
        return grpc.insecure_channel(f"ipv4:{addresses}", options=OWN)

    def _unary(self) -> Iterator[None]:
        with self._stub() as channel:
            stub, number = rpc.GRPCInferenceServiceStub(channel), 0
            while True:
                number += 1
                data = str(number).encode() * 20
                request = pb.ModelInferRequest(model_name="digits", raw_input_contents=[data])
                assert stub.ModelInfer(request, timeout=10).raw_output_contents[0] == data
                yield

    def _stream(self) -> Iterator[None]:
        """Streams of ten messages over a second, one after the other."""
        with self._stub() as channel:
            answers = rpc.GRPCInferenceServiceStub(channel).ModelStreamInfer(_messages(), timeout=30)
            number = -1
            for number, answer in enumerate(answers):
                assert answer.infer_response.raw_output_contents[0] == str(number).encode()
            assert number == 9
            yield


def _messages() -> Iterator[pb.ModelInferRequest]:
    for number in range(10):
        yield pb.ModelInferRequest(model_name="digits", raw_input_contents=[str(number).encode()])
        time.sleep(0.1)


def _says_ready(router: Router) -> bool:
    try:
        url = f"http://127.0.0.1:{router.view.metrics_port}/healthz"
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False
