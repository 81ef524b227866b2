"""Triton over HTTP: one server's model control, and the health of many at once.

A load blocks for as long as it takes, and asking again would make the running one out-dated; so `load`
sends the request once, keeps listening for its answer in a thread of its own, and returns. While a newer
version of a model loads, Triton goes on calling the model ready, since the old one serves: `index` says
LOADING until the answer has come.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from urllib.parse import quote

import aiohttp

from distctl.adapters.silence import silence_of
from distctl.cluster.snapshot import ModelState, ReplicaSight, ServerSight, Service
from distctl.cluster.spec import Endpoint, ServerId
from distctl.commands.triton import KEY_HEADER
from distctl.errors import TritonError

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


def parse_index(text: bytes) -> dict[str, ReplicaSight]:
    """The repository index: the state of each model, of its best version where it has several.

    Raises TritonError when it is not an index.
    """
    try:
        found: dict[str, ReplicaSight] = {}
        for entry in json.loads(text):
            state = ModelState(entry.get("state") or ModelState.ABSENT)
            sight = ReplicaSight(state, " ".join(entry.get("reason", "").split()))
            best = found.get(entry["name"])
            if best is None or _RANK.index(state) < _RANK.index(best.state):
                found[entry["name"]] = sight
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise TritonError(f"this is no repository index: {text[:80]!r}") from error
    return found


def parse_statistics(text: bytes) -> dict[str, Service]:
    """What was done for each model that is ready, its versions together. Raises TritonError."""
    try:
        found: dict[str, Service] = {}
        for entry in json.loads(text)["model_stats"]:
            before, now = found.get(entry["name"], Service()), _service(entry.get("inference_stats", {}))
            found[entry["name"]] = Service(before.count + now.count, before.seconds + now.seconds)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise TritonError(f"this is no statistics: {text[:80]!r}") from error
    return found


def _service(stats: Mapping[str, Mapping[str, int]]) -> Service:
    """Input, inference and output of what succeeded; an answer from the response cache costs nothing."""
    spent = sum(stats.get(f"compute_{part}", {}).get("ns", 0) for part in ("input", "infer", "output"))
    return Service(int(stats.get("compute_infer", {}).get("count", 0)), spent / 1e9)


def parse_gpus(text: str) -> tuple[str, ...]:
    """The UUIDs of the GPUs that Triton's metrics name, each once (its docs/user_guide/metrics.md)."""
    return tuple(dict.fromkeys(_GPU_LINE.findall(text)))


_GPU_LINE = re.compile(r'^nv_gpu_\w+\{[^}]*gpu_uuid="([^"]+)"', re.MULTILINE)
_RANK = (
    ModelState.READY,
    ModelState.LOADING,
    ModelState.UNLOADING,
    ModelState.UNAVAILABLE,
    ModelState.ABSENT,
)


def _problem(status: int, answer: bytes) -> str:
    try:
        return " ".join(str(json.loads(answer)["error"]).split())
    except (ValueError, TypeError, KeyError):
        return f"HTTP status {status}"


def observe_servers(
    endpoints: Mapping[ServerId, Endpoint],
    keys: Mapping[ServerId, str],
    *,
    metrics: Mapping[ServerId, Endpoint] | None = None,
    timeout: float = 2.0,
) -> dict[ServerId, ServerSight]:
    """Ask every server at once: live, ready, its models. One that does not answer is told in `error`.

    `keys` are those of restricted APIs; a server without one is asked without. Servers in `metrics` are asked
    which GPUs they see. `timeout` in seconds is for each server as a whole.
    """
    return asyncio.run(_observe(endpoints, keys, metrics or {}, timeout))


async def _observe(
    endpoints: Mapping[ServerId, Endpoint],
    keys: Mapping[ServerId, str],
    metrics: Mapping[ServerId, Endpoint],
    timeout: float,
) -> dict[ServerId, ServerSight]:
    limits = aiohttp.ClientTimeout(total=timeout, sock_connect=timeout / 2)
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(timeout=limits, connector=connector) as session:
        sights = [
            probe(session, server, endpoint, keys.get(server, "")) for server, endpoint in endpoints.items()
        ]
        found = {sight.id: sight for sight in await asyncio.gather(*sights)}
        asked = [server for server in metrics if server in found and found[server].live]
        gpus = await asyncio.gather(*(gpus_of(session, metrics[server]) for server in asked))
        return found | {s: replace(found[s], gpus=seen) for s, seen in zip(asked, gpus, strict=True)}


async def gpus_of(session: aiohttp.ClientSession, metrics: Endpoint) -> tuple[str, ...]:
    """The GPUs that one server's metrics name; none when they cannot be had."""
    try:
        async with session.get(f"{metrics.url}/metrics") as answer:
            return parse_gpus(await answer.text())
    except (aiohttp.ClientError, OSError, asyncio.TimeoutError, ValueError):
        return ()


async def probe(
    session: aiohttp.ClientSession, server: ServerId, endpoint: Endpoint, key: str = ""
) -> ServerSight:
    """One server's answer within the session's timeout."""
    headers = {KEY_HEADER: key} if key else {}
    try:
        async with session.get(f"{endpoint.url}/v2/health/live") as answer:
            live = answer.status == OK
        async with session.get(f"{endpoint.url}/v2/health/ready") as answer:
            ready = answer.status == OK
        async with session.post(f"{endpoint.url}/v2/repository/index", json={}, headers=headers) as answer:
            index = parse_index(await answer.read()) if answer.status == OK else None
        async with session.get(f"{endpoint.url}/v2/models/stats") as answer:
            text = await answer.read()
        # Where the index is restricted and no key is at hand: statistics are open, and name what is ready.
        service = parse_statistics(text) if index is None or answer.status == OK else {}
        replicas = dict.fromkeys(service, ReplicaSight(ModelState.READY)) if index is None else index
        return ServerSight(server, live, ready, replicas, service=service)
    except (aiohttp.ClientError, OSError, asyncio.TimeoutError, TritonError) as error:
        why = str(error) or type(error).__name__
        return ServerSight(server, error=f"{endpoint} does not answer: {why}", silence=silence_of(error))
