"""Constant load by wrk (REST) and h2load (gRPC unary), and the CPU that a router spends meanwhile."""

from __future__ import annotations

import json
import os
import re
import struct
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.peers import Target
from benchmarks.work import run

FLOATS = [i / 2 for i in range(16)]
TICK = os.sysconf("SC_CLK_TCK")
LARGE = 128 * 1024  # bytes of a message of which a thousand take long
INFER = "/v2/models/floats/infer"
GRPC_INFER = "/inference.GRPCInferenceService/ModelInfer"
WRK_SCRIPT = """\
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = assert(io.open("{body}", "rb")):read("*a")
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One round: requests a second, times in ms, the router's CPU in us per request (nan: no router)."""

    rate: float
    p50: float
    p99: float
    user: float
    system: float
    requests: int

    @property
    def cpu(self) -> float:
        """CPU per request, us."""
        return self.user + self.system


def rest_body(floats: list[float] | None = None) -> bytes:
    """A request of sixteen floats as JSON."""
    tensor = {"name": "INPUT0", "shape": [16], "datatype": "FP32", "data": floats or FLOATS}
    return json.dumps({"inputs": [tensor]}).encode()


def grpc_message(floats: list[float] | None = None) -> bytes:
    """The same as a serialized ModelInferRequest."""
    return message_of(struct.pack("<16f", *(floats or FLOATS)))


def message_of(content: bytes) -> bytes:
    """A serialized ModelInferRequest of that tensor."""
    from tritonclient.grpc import service_pb2 as pb

    request = pb.ModelInferRequest(model_name="floats")
    request.inputs.add(name="INPUT0", datatype="FP32", shape=[len(content) // 4])
    request.raw_input_contents.append(content)
    return bytes(request.SerializeToString())


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent: a body (REST) or a message (gRPC), headers beside it, and over what."""

    body: bytes = b""  # empty: sixteen floats
    headers: Mapping[str, str] = field(default_factory=dict)
    scheme: str = "http"  # over REST; gRPC is in clear text


def rest(
    target: Target, clients: int, seconds: float, folder: Path, request: Request = Request()
) -> Measured:
    """One round of wrk. Raises RuntimeError when an answer was not 2xx."""
    script, body = folder / "post.lua", folder / "body"
    body.write_bytes(request.body or rest_body())
    named = "".join(f'wrk.headers["{name}"] = "{value}"\n' for name, value in request.headers.items())
    script.write_text(WRK_SCRIPT.format(body=body) + named)
    before = cpu(target.pid)
    url = f"{request.scheme}://127.0.0.1:{target.http}{INFER}"
    argv = ["wrk", "-t1", f"-c{clients}", f"-d{seconds:g}s", "--timeout", "20s", "--latency"]
    said = run([*argv, "-s", str(script), url], timeout=seconds + 30)
    after = cpu(target.pid)
    requests = int(_found(r"(\d+) requests in", said))
    if "Non-2xx" in said or "Socket errors" in said or not requests:
        raise RuntimeError(f"{target.name}: {said}")
    return Measured(
        float(_found(r"Requests/sec:\s+([\d.]+)", said)),
        _milliseconds(_found(r"50%\s+([\d.]+\w+)", said)),
        _milliseconds(_found(r"99%\s+([\d.]+\w+)", said)),
        *_each(before, after, requests, target.pid),
        requests,
    )


def grpc(
    target: Target, clients: int, seconds: float, folder: Path, request: Request = Request()
) -> Measured:
    """One round of h2load, a connection for each client and one request at a time on it.

    A count of requests bounds it and not a time: at the end of a time h2load breaks off what is in flight,
    which a Triton does not always survive. h2load sees HTTP's status alone, so the servers' own counts of
    answers confirm it (`answered`). Raises RuntimeError when a request failed.
    """
    message = request.body or grpc_message()
    (folder / "message").write_bytes(struct.pack(">BI", 0, len(message)) + message)
    few, at_least = (clients, clients * 2) if len(message) > LARGE else (clients * 4, 1000)
    _h2load(target, clients, few, folder, request.headers)  # what a connection costs is not counted
    rate = _h2load(target, clients, at_least, folder, request.headers).rate
    return _h2load(target, clients, max(at_least, int(rate * seconds)), folder, request.headers)


def _h2load(
    target: Target, clients: int, requests: int, folder: Path, headers: Mapping[str, str]
) -> Measured:
    log = folder / "h2load.log"
    log.unlink(missing_ok=True)
    before = cpu(target.pid)
    argv = ["h2load", "-t1", f"-c{clients}", "-m1", f"-n{requests}", "-d", str(folder / "message")]
    for name, value in {"content-type": "application/grpc", "te": "trailers", **headers}.items():
        argv += ["-H", f"{name}: {value}"]
    argv += ["--log-file", str(log), f"http://127.0.0.1:{target.grpc}{GRPC_INFER}"]
    said = run(argv, timeout=120)
    after = cpu(target.pid)
    times = sorted(int(line.split()[2]) / 1000 for line in log.read_text().splitlines())
    if int(_found(r"(\d+) failed", said)) or len(times) != requests:
        raise RuntimeError(f"{target.name}: {said}")
    return Measured(
        float(_found(r"([\d.]+) req/s", said)),
        times[len(times) // 2],
        times[int(len(times) * 0.99)],
        *_each(before, after, len(times), target.pid),
        requests,
    )


def answered(ports: list[tuple[int, int]]) -> int:
    """How many inferences the Tritons have answered well since they started."""
    total = 0
    for http, _ in ports:
        with urllib.request.urlopen(f"http://127.0.0.1:{http}/v2/models/floats/stats", timeout=5) as answer:
            total += json.load(answer)["model_stats"][0]["inference_stats"]["success"]["count"]
    return total


def cpu(pid: int) -> tuple[float, float]:
    """User and system seconds of a process and all below it; zeros for pid 0."""
    if not pid:
        return 0.0, 0.0
    user, system = _own(pid)
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            more = cpu(int(child))
            user, system = user + more[0], system + more[1]
    return user, system


def _own(pid: int) -> tuple[float, float]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return int(fields[11]) / TICK, int(fields[12]) / TICK


def _each(
    before: tuple[float, float], after: tuple[float, float], requests: int, pid: int
) -> tuple[float, float]:
    if not pid:
        return float("nan"), float("nan")
    user, system = ((b - a) * 1e6 / requests for a, b in zip(before, after, strict=True))
    return user, system


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"not understood: {text[:500]}")
    return match.group(1)


def _milliseconds(text: str) -> float:
    for unit, factor in (("us", 0.001), ("ms", 1.0), ("s", 1000.0)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise RuntimeError(f"no time: {text}")
