"""Triton over HTTP: one server's model control. `polling` looks at many servers at once.

A load blocks for as long as it takes, and asking again would make the running one out-dated; so `load`
sends the request once, keeps listening for its answer in a thread of its own, and returns. While a newer
version of a model loads, Triton goes on calling the model ready, since the old one serves: `index` says
LOADING until the answer has come.
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable
from urllib.parse import quote

from distctl.cluster.snapshot import ModelState, ReplicaSight
from distctl.cluster.spec import Endpoint
from distctl.commands.triton import KEY_HEADER
from distctl.errors import TritonError
from distctl.facts.triton_answers import parse_index

CONNECT = 2.0  # seconds
ANSWER = 10.0  # seconds, for what answers at once
LOAD = 3600.0  # seconds; the caller's own deadline is shorter
TAKEN = 0.3  # seconds: a load that fails at once is told at once
OK = 200


class _Load:
    """A load under way: its answer comes when Triton has finished. A dropped connection would not end it."""

    def __init__(self, ask: Callable[[], str]) -> None:
        self.problem = ""
        self._thread = threading.Thread(target=self._run, args=(ask,), name="triton-load", daemon=True)
        self._thread.start()

    def _run(self, ask: Callable[[], str]) -> None:
        try:
            self.problem = ask()
        except TritonError as error:
            self.problem = error.message

    def ended(self, wait: float = 0.0) -> bool:
        """Whether the answer has come, waiting for it up to `wait` seconds."""
        self._thread.join(wait)
        return not self._thread.is_alive()


class HttpTriton:
    """Fulfils `ports.TritonClient` for the server at `endpoint`.

    `key` gives the key of its restricted API when it is needed; empty for a server that is not ours. `grpc`
    says where its gRPC is reached: loads go there (see `triton_grpc`); without it they go over HTTP.
    """

    def __init__(
        self, endpoint: Endpoint, key: Callable[[], str], grpc: Callable[[], Endpoint] | None = None
    ) -> None:
        self._endpoint, self._key, self._grpc = endpoint, key, grpc
        self._loads: dict[str, _Load] = {}

    def live(self) -> bool:
        """Whether the server is initialised and not exiting; see `ports.TritonClient`."""
        status, _ = self._ask("GET", "/v2/health/live", ANSWER)
        return status == OK

    def index(self) -> dict[str, ReplicaSight]:
        """Every model with state and reason.

        A model whose load has not answered yet is LOADING, one whose last load failed UNAVAILABLE with the
        reason, also while Triton calls it ready because an older version serves.
        """
        try:
            found = parse_index(self._must("/v2/repository/index"))
        except TritonError:
            self._loads = {model: load for model, load in self._loads.items() if not load.ended()}
            raise
        for model, load in list(self._loads.items()):
            if not load.ended():
                found[model] = ReplicaSight(ModelState.LOADING)
            elif load.problem:
                found[model] = ReplicaSight(ModelState.UNAVAILABLE, load.problem)
        return found

    def load(self, model: str) -> None:
        """Ask for a load once; one that this client waits for is not asked again."""
        running = self._loads.get(model)
        if running and not running.ended():
            return
        load = self._loads[model] = _Load(self._loading(model))
        if load.ended(TAKEN) and load.problem:
            raise TritonError(f"{self._endpoint}: {load.problem}")

    def _loading(self, model: str) -> Callable[[], str]:
        """What asks for a load and waits for its answer."""
        if self._grpc is None:
            return lambda: self._refusal(_model_path(model, "load"), LOAD)
        from distctl.adapters.triton_grpc import load_refusal

        endpoint, key = self._grpc(), self._key()
        return lambda: load_refusal(endpoint, model, key, LOAD)

    def unload(self, model: str) -> None:
        """Unload a model; see `ports.TritonClient`."""
        self._loads.pop(model, None)
        self._must(_model_path(model, "unload"))

    def _must(self, path: str) -> bytes:
        status, answer = self._ask("POST", path, ANSWER)
        if status != OK:
            raise TritonError(f"{self._endpoint}: {_problem(status, answer)}")
        return answer

    def _refusal(self, path: str, timeout: float) -> str:
        status, answer = self._ask("POST", path, timeout)
        return "" if status == OK else _problem(status, answer)

    def _ask(self, method: str, path: str, timeout: float) -> tuple[int, bytes]:
        """One request on a connection of its own: an idle one would hold up the server's exit."""
        connection = http.client.HTTPConnection(self._endpoint.host, self._endpoint.port, timeout=CONNECT)
        try:
            connection.connect()
            connection.sock.settimeout(timeout)
            key = self._key() if method == "POST" else ""
            headers = {KEY_HEADER: key} if key else {}
            connection.request(method, path, b"{}" if method == "POST" else None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise TritonError(f"{self._endpoint} does not answer: {error or type(error).__name__}") from error
        finally:
            connection.close()


def _model_path(model: str, verb: str) -> str:
    return f"/v2/repository/models/{quote(model, safe='')}/{verb}"


def _problem(status: int, answer: bytes) -> str:
    try:
        return " ".join(str(json.loads(answer)["error"]).split())
    except (ValueError, TypeError, KeyError):
        return f"HTTP status {status}"
