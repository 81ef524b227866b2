"""A measurement as a user asks for it: where it goes, what is sent, and who sends it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from distctl.adapters.bench.senders import Target
from distctl.adapters.tensors import tensors
from distctl.app.entrance import Identity
from distctl.app.session import Session
from distctl.app.use import read_request, samples_of
from distctl.cluster.spec import Endpoint, Server
from distctl.errors import DistctlError, InputError
from distctl.policy.bench.data import ModelShape, Request, batched, made, shapes
from distctl.policy.bench.perf_analyzer import PROGRAM, command, input_data
from distctl.policy.bench.step import Step

MOST_PORT = 65535
TRIALS = 15  # how many measurements perf_analyzer may make of one step until we end it
SETTLE = 60.0  # seconds beside them


@dataclass(frozen=True, slots=True)
class Data:
    """The requests that are sent in turn, and in words where they come from."""

    requests: tuple[Request, ...]
    origin: str


@dataclass(frozen=True, slots=True)
class Way:
    """A target, what it is in words, and whether the way there is a tunnel of ssh."""

    target: Target
    where: str
    tunnelled: bool = False


def url_way(url: str, protocol: str, timeout: float) -> Way:
    """To the address that a user named. Raises InputError unless it is host:port."""
    host, _, port = url.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or "/" in url or not port.isascii() or not port.isdecimal() or not 0 < int(port) <= MOST_PORT:
        raise InputError(f"--url {url}: not host:port", hint="--url 127.0.0.1:8000, without a scheme")
    return Way(Target(Endpoint(host, int(port)), protocol, timeout), "an address")


def cluster_way(
    session: Session, direct: str | None, protocol: str, timeout: float, identity: Identity
) -> Way:
    """To the router's entrance, or to the server `NODE[/SERVER]`, as this machine reaches it.

    Raises InputError for a server that the inventory does not have, NodeError.
    """
    grpc = protocol != "http"
    if direct is None:
        entrance, listens = session.routers.entrance(grpc=grpc), session.routers.endpoint(grpc=grpc)
        target = Target(
            entrance.endpoint,
            protocol,
            timeout,
            headers=identity.headers,
            shake_hands=entrance.context(identity),
            channel=entrance.channel(identity) if grpc else {},
        )
        return Way(target, "the router", tunnelled=entrance.endpoint != listens)
    server = _server(session, direct)
    there = server.grpc if grpc else server.http
    here = session.parts.reach(server, there)
    return Way(Target(here, protocol, timeout), str(server.id), tunnelled=here != there)


def _server(session: Session, name: str) -> Server:
    found = [s for s in session.spec.servers if name in (s.id.node, str(s.id))]
    if not found:
        known = ", ".join(str(server.id) for server in session.spec.servers)
        raise InputError(f"there is no server {name!r}", hint=f"known: {known}")
    return found[0]


def data_for(
    model: ModelShape, *, session: Session | None, file: Path | None, given: Sequence[str], batch: int | None
) -> Data:
    """What is sent: a file's request, made-up data in the shapes given, the model's samples, made-up data.

    Raises InputError for what does not fit the model.
    """
    dims = shapes(given)
    if file is not None and dims:
        raise InputError("--input says the shapes itself", hint="give --input or --shape")
    if file is not None:
        return Data((batched(model, read_request(file).request, batch),), str(file))
    found = samples_of(session, model.name) if session and not dims else ()
    if found:
        requests = tuple(batched(model, sample.request, batch) for sample in found)
        return Data(requests, f"the model's samples in turn ({len(found)})")
    return Data((made(model, dims, batch or 1),), "made up from the model's configuration")


def refuse_unanswerable(model: ModelShape, protocol: str) -> None:
    """Raise InputError when the model cannot answer by that protocol."""
    if model.decoupled and protocol != "stream":
        raise InputError(
            f"{model.name} answers with any number of answers, which only a stream carries",
            hint="--protocol stream",
        )


def run_perf_analyzer(
    steps: Sequence[Step], target: Target, model: ModelShape, data: Data, batch: int | None
) -> None:
    """Run NVIDIA's tool for each step, its output ours. Raises InputError without it, DistctlError."""
    from tritonclient.http import InferInput

    if target.headers or target.channel or target.shake_hands:
        raise InputError(f"{PROGRAM} is given no API key and no TLS by us", hint="leave out --perf-analyzer")
    if shutil.which(PROGRAM) is None:
        raise InputError(f"{PROGRAM} is not installed here", hint="leave out --perf-analyzer")
    for request in data.requests:
        tensors(InferInput, request)  # what is not whole is refused as we would refuse it
    with tempfile.TemporaryDirectory(prefix="distctl-bench-") as folder:
        file = Path(folder) / "data.json"
        file.write_text(input_data(data.requests, batches=model.max_batch > 0), encoding="utf-8")
        for step in steps:
            words = command(
                step,
                model=model.name,
                endpoint=target.endpoint,
                protocol=target.protocol,
                batch=batch or 1,
                data=file,
            )
            _run(words, TRIALS * step.seconds + SETTLE)


def _run(words: Sequence[str], seconds: float) -> None:
    try:
        status = subprocess.run(words, check=False, timeout=seconds).returncode
    except subprocess.TimeoutExpired as error:
        raise DistctlError(f"{PROGRAM} did not end within {seconds:g} s") from error
    if status:
        raise DistctlError(f"{PROGRAM} ended with {status}: {' '.join(words)}")
