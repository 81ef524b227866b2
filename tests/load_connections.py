"""Connections of the clients that know the right answer: REST and gRPC, one request at a time."""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import ssl
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

PATIENCE = 20.0  # seconds after which an answer that does not come is a failure
SERVICE = {"methodConfig": [{"name": [{}], "waitForReady": True}]}
PATIENT = [
    ("grpc.service_config", json.dumps(SERVICE)),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 200),
]


class Wrong(Exception):
    """An answer came, and it is not the right one."""


class Http:
    """One kept connection, opened again after a failure; `hops`: one for each request."""

    def __init__(
        self, host: str, port: int, *, patient: bool = False, authority: str = "", hops: bool = False
    ) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
        if authority:
            trust = ssl.create_default_context(cafile=authority)
            self._connection = http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=trust)
        self._patient, self._hops = patient, hops
        self.turn = ""  # the id of the requests that follow

    def __call__(self, model: str, inputs: list[dict[str, Any]], how: dict[str, Any]) -> dict[str, list[Any]]:
        body = json.dumps({"inputs": inputs, **({"parameters": how} if how else {})})
        with self.post(f"{model}/infer", body.encode()) as answer:
            return {output["name"]: output["data"] for output in json.load(answer)["outputs"]}

    @contextlib.contextmanager
    def post(
        self, path: str, body: bytes, headers: dict[str, str] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer to one request; whatever goes wrong with it ends the connection."""
        try:
            self._connect()
            self._connection.request(
                "POST", f"/v2/models/{path}", body, {**(headers or {}), **_named(self.turn)}
            )
            answer = self._connection.getresponse()
            _require_success(answer)
            yield answer
            answer.read()  # to the end, so that the connection can be used again
        except BaseException:
            self.close()
            raise
        if self._hops:
            self.close()

    def _connect(self) -> None:
        until = time.monotonic() + PATIENCE
        while self._patient and self._connection.sock is None:
            try:
                self._connection.connect()
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _named(turn: str) -> dict[str, str]:
    return {"x-request-id": turn} if turn else {}


def _require_success(answer: http.client.HTTPResponse) -> None:
    if answer.status != 200:
        raise RuntimeError(f"{answer.status}: {answer.read(300).decode(errors='replace')}")


class Grpc:
    """One channel, as tritonclient keeps it."""

    def __init__(self, host: str, port: int, *, patient: bool = False, authority: str = "") -> None:
        import tritonclient.grpc as client

        self._client = client
        self._url = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        # A channel of its own for each client: gRPC else shares one connection between equal channels.
        # It sends a call again only if it never left, or was refused by a server that goes away.
        options: list[tuple[str, Any]] = [("grpc.use_local_subchannel_pool", 1)]
        options += PATIENT if patient else []
        self._connection = client.InferenceServerClient(
            self._url, channel_args=options, ssl=bool(authority), root_certificates=authority or None
        )
        self.turn = ""  # the id of the requests that follow

    def __call__(self, model: str, inputs: list[dict[str, Any]], how: dict[str, Any]) -> dict[str, list[Any]]:
        how = {**how, "headers": _named(self.turn), "client_timeout": PATIENCE}
        result = self._connection.infer(model, self.tensors(inputs), **how)
        return self.outputs(result)

    def stream(self, model: str, inputs: list[dict[str, Any]]) -> list[dict[str, list[Any]]]:
        """All responses of one request over a stream of its own."""
        answers: queue.Queue[Any] = queue.Queue()
        self._connection.start_stream(partial(_answered, answers), headers=_named(self.turn))
        try:
            self._connection.async_stream_infer(model, self.tensors(inputs), enable_empty_final_response=True)
            found = []
            while True:
                answer = answers.get(timeout=PATIENCE)
                if isinstance(answer, Exception):
                    raise answer
                response = answer.get_response()
                if response.outputs:
                    found.append(self.outputs(answer))
                if response.parameters["triton_final_response"].bool_param:
                    return found
        finally:
            self._connection.stop_stream()

    def tensors(self, inputs: list[dict[str, Any]]) -> list[Any]:
        """Inputs as tritonclient takes them."""
        import numpy as np
        from tritonclient.utils import triton_to_np_dtype

        found = []
        for item in inputs:
            kind = triton_to_np_dtype(item["datatype"])
            data = [v.encode() for v in item["data"]] if kind is np.object_ else item["data"]
            found.append(self._client.InferInput(item["name"], item["shape"], item["datatype"]))
            found[-1].set_data_from_numpy(np.array(data, dtype=kind).reshape(item["shape"]))
        return found

    def outputs(self, result: Any) -> dict[str, list[Any]]:
        """Outputs by name, flat."""
        return {o.name: result.as_numpy(o.name).ravel().tolist() for o in result.get_response().outputs}


def _answered(answers: queue.Queue[Any], result: Any, error: Any) -> None:
    answers.put(error or result)
