"""One real Triton with every sample model and every model of tests/models, started as a node starts it.

The runtime is the archive that is pushed to nodes, the start script the one that is written there; so what
passes here passes on a node. The models are copied first, since the python backend writes beside them.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import queue
import shutil
import signal
import socket
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
from tritonclient.utils import triton_to_np_dtype

from distctl.adapters.artifacts import Artifacts, default_cache
from distctl.adapters.environments import Environments
from distctl.adapters.folders import furnished, read_folder
from distctl.adapters.requirements import read_requirements
from distctl.cluster.content import Archive
from distctl.cluster.needs import Lock, Target
from distctl.cluster.spec import Server, ServerId
from distctl.commands.triton import KEY_HEADER, Python, TritonSettings, memory_prefix, run_script, unit_name
from distctl.facts import python as pythons

PROJECT = Path(__file__).parents[3]
REPOSITORY = PROJECT / "model_repo"
TEST_MODELS = PROJECT / "tests" / "models"
NOT_LOADED_AT_START = {"broken", "slowload"}
START_SECONDS = 90.0


@dataclass(frozen=True)
class Triton:
    """A running server: where it is, and the key of its restricted calls."""

    server: Server
    key: str

    def post(self, path: str, body: Any) -> Any:
        """Ask over HTTP with the key; the JSON of the answer, also of an error's."""
        try:
            with self.open(path, body) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            return json.loads(error.read())

    def open(self, path: str, body: Any) -> Any:
        """Ask over HTTP with the key; the open answer, to be read as it comes."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.server.http_port}/{path}",
            data=json.dumps(body).encode(),
            headers={KEY_HEADER: self.key, "Content-Type": "application/json"},
        )
        return urllib.request.urlopen(request, timeout=60)

    def infer(self, model: str, request: Any) -> dict[str, list[Any]]:
        """A v2 request's outputs by name, flat."""
        answer = self.post(f"v2/models/{model}/infer", request)
        if "error" in answer:
            raise AssertionError(answer["error"])
        return {output["name"]: output["data"] for output in answer["outputs"]}

    def state(self, model: str, version: str = "1") -> tuple[str, str]:
        """What the repository index says of a model: its state and the reason; empty if it is not known."""
        for entry in self.post("v2/repository/index", {}):
            if (entry["name"], entry.get("version")) == (model, version):
                return entry.get("state", ""), entry.get("reason", "")
        return "", ""

    def load(self, model: str, **config: Any) -> Any:
        """Ask for a load and wait for its end; an answer with `error` if it failed."""
        body = {"parameters": {"config": json.dumps(config)}} if config else {}
        return self.post(f"v2/repository/models/{model}/load", body)

    def unload(self, model: str) -> Any:
        """Ask for an unload."""
        return self.post(f"v2/repository/models/{model}/unload", {})


@pytest.fixture(scope="session")
def interpreter() -> pythons.Interpreter:
    """The Python of this machine that the python backend can embed."""
    (probe,) = pythons.PROBES
    script = subprocess.run(["sh", "-c", probe.script], capture_output=True, text=True, check=False)
    found = pythons.choose(probe.parse(script.stdout))
    assert found, "no Python with a libpython: apt-get install libpython3.11, or whatever python3 is here"
    return found


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of all models in one repository."""
    folder = tmp_path_factory.mktemp("models")
    for source in (REPOSITORY, TEST_MODELS):
        shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture(scope="session")
def triton(
    tmp_path_factory: pytest.TempPathFactory, interpreter: pythons.Interpreter, models: Path
) -> Iterator[Triton]:
    """A Triton that serves all of them, killed with its stubs and shared memory at the end."""
    root = tmp_path_factory.mktemp("node")
    server = Server(ServerId("here", "default"), "127.0.0.1", *_free_ports(3))
    folder = root / "units" / unit_name(server)
    folder.mkdir(parents=True)
    (folder / "repository").symlink_to(models)
    (folder / "key").write_text("a key of the suite\n")
    runtime = Artifacts.from_environment().runtime(interpreter.version)
    for archive in (runtime, *_environments(models, interpreter.version)):
        with tarfile.open(archive.path) as packed:
            packed.extractall(root / archive.kind.value / archive.digest)
    python = Python(interpreter.version, interpreter.path, interpreter.library)
    settings = TritonSettings("127.0.0.1", runtime=runtime.digest, python=python, exit_seconds=5)
    names = sorted(model.name for model in models.iterdir() if model.name not in NOT_LOADED_AT_START)
    (folder / "run").write_text(run_script(str(root), server, settings, names))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["sh", folder / "run"], stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        _wait_until_ready(process, server, folder / "log")
        yield Triton(server, "a key of the suite")
    finally:
        _end(process, memory_prefix(str(root), server))


def _environments(models: Path, python: str) -> Iterator[Archive]:
    """What models with needs ask for; their folders get what they have on a node."""
    target = Target(python, platform.machine(), (2, 35))
    made = Environments(default_cache())
    for folder in models.iterdir():
        if requirements := read_requirements(folder):
            environment = made.resolve(requirements, target, lambda: None)
            lock = Lock(requirements.digest, {target: environment})
            for name, content in furnished(read_folder(folder), lock).made.items():
                (folder / name).write_bytes(content)
                (folder / name).chmod(0o755)
            yield made.archive(requirements, environment, lambda: None)


def _free_ports(count: int) -> list[int]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in taken]
    for one in taken:
        one.close()
    return ports


def _wait_until_ready(process: subprocess.Popen[bytes], server: Server, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}/v2/health/ready", timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("Triton did not start:\n" + "\n".join(log.read_text().splitlines()[-20:]))


def _end(process: subprocess.Popen[bytes], prefix: str) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=15)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=15)
        for region in Path("/dev/shm").glob(f"{prefix}*"):
            region.unlink()


Tensors = dict[str, list[Any]]


@pytest.fixture
def grpc(triton: Triton) -> Iterator[grpcclient.InferenceServerClient]:
    """A gRPC client of that Triton."""
    with grpcclient.InferenceServerClient(f"127.0.0.1:{triton.server.grpc_port}") as client:
        yield client


@pytest.fixture
def ask(grpc: grpcclient.InferenceServerClient) -> Callable[..., Tensors]:
    """Send a v2 request over gRPC; its outputs by name, flat, bytes as text."""

    def send(model: str, request: Any) -> Tensors:
        return outputs(grpc.infer(model, tensors(request), **sequence(request)))

    return send


@pytest.fixture
def stream(grpc: grpcclient.InferenceServerClient) -> Callable[..., list[Tensors]]:
    """Send v2 requests over one gRPC stream; all their responses, in the order in which they came."""

    def send(model: str, *requests: Any) -> list[Tensors]:
        answers: queue.Queue[Any] = queue.Queue()
        grpc.start_stream(partial(_answered, answers))
        for request in requests:
            grpc.async_stream_infer(
                model, tensors(request), enable_empty_final_response=True, **sequence(request)
            )
        try:
            return list(_until_final(answers, len(requests)))
        finally:
            grpc.stop_stream()

    return send


def _answered(answers: queue.Queue[Any], result: Any, error: Any) -> None:
    answers.put(error or result)


def _until_final(answers: queue.Queue[Any], requests: int) -> Iterator[Tensors]:
    while requests:
        answer = answers.get(timeout=60)
        if isinstance(answer, Exception):
            raise answer
        if answer.get_response().outputs:
            yield outputs(answer)
        requests -= answer.get_response().parameters["triton_final_response"].bool_param


@pytest.fixture(name="tensors")
def tensors_fixture() -> Callable[[Any], list[grpcclient.InferInput]]:
    """What turns a v2 request into tritonclient's inputs."""
    return tensors


def tensors(request: Any) -> list[grpcclient.InferInput]:
    """The inputs of a v2 request in JSON as tritonclient takes them."""
    result = []
    for tensor in request["inputs"]:
        kind = triton_to_np_dtype(tensor["datatype"])
        data = [value.encode() for value in tensor["data"]] if kind is np.object_ else tensor["data"]
        result.append(grpcclient.InferInput(tensor["name"], tensor["shape"], tensor["datatype"]))
        result[-1].set_data_from_numpy(np.array(data, dtype=kind).reshape(tensor["shape"]))
    return result


def sequence(request: Any) -> dict[str, Any]:
    """The sequence parameters of a v2 request, as tritonclient takes them."""
    return dict(request.get("parameters", {}))


def outputs(result: grpcclient.InferResult) -> Tensors:
    """The outputs of an answer by name, flat, bytes as text."""
    return {
        output.name: [
            value.decode() if isinstance(value, bytes) else value
            for value in result.as_numpy(output.name).ravel().tolist()
        ]
        for output in result.get_response().outputs
    }
