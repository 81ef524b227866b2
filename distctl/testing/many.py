"""Thousands of stand-ins for Triton's health, index, statistics and metrics, in one process.

    python -m distctl.testing.many HTTP_PORT METRICS_PORT

Every address of 127.0.0.0/8 is a server of its own on these two ports of the loopback device. It is told how
to behave by `POST /standin/behave` with an object of address to behaviour: `well`, `hang` (takes the request
and never answers), `drop` (closes at once, as the dead do), `slow` (answers after three seconds), `huge`
(megabytes of it), `endless` (a header and then a byte now and then), `html`, `garbage` (JSON that is none),
`unready` (its models are not, whatever the index says), `wrong` (requests fail), `stuck` (they are never
answered). `GET /standin/asked` counts
requests by address and path, and connections by `ADDRESSconnection`.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections import Counter
from collections.abc import Iterable

MODELS = ("digits", "chat", "xray")
GPU = "GPU-d4d0dbb0-037e-652e-6df4-a742b597738c"
SLOW = 3.0  # seconds
BIG = 8 * 1024 * 1024  # bytes
DRIP = 0.1  # seconds between two bytes of an endless answer


def address(number: int) -> str:
    """The address of the server of that number, from 0 on."""
    rest, last = divmod(number, 250)
    third, second = rest % 250, rest // 250
    return f"127.{second + 1}.{third}.{last + 1}"


class Crowd:
    """What all the servers share: how each behaves, and what was asked of each."""

    def __init__(self) -> None:
        self.behaviour: dict[str, str] = {}
        self.asked: Counter[str] = Counter()

    def reply(self, path: str, body: bytes) -> tuple[str, bytes]:
        """Content type and body of an answer that goes well."""
        if path == "/standin/behave":
            self.behaviour.update(json.loads(body))
        if path == "/standin/asked":
            return "application/json", json.dumps(self.asked).encode()
        return ANSWERS.get(path, ("", b""))


class Client(asyncio.Protocol):
    """One connection to one of the servers, with HTTP's keep-alive."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd, self._buffer, self._last = crowd, b"", False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note which server was meant: the address that was connected to."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what TCP gives
        self._transport = transport
        self._name: str = transport.get_extra_info("sockname")[0]
        self._crowd.asked[f"{self._name}connection"] += 1

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, _, rest = self._buffer.partition(b"\r\n\r\n")
            length = _length(head)
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            self._answer(head, rest[:length])

    def _answer(self, head: bytes, body: bytes) -> None:
        self._last = b"connection: close" in head.lower()
        path = head.split(b" ", 2)[1].decode("latin-1")
        how = self._crowd.behaviour.get(self._name, "well")
        self._crowd.asked[f"{self._name}{path}"] += 1
        if path.startswith("/standin/") or how == "well":
            self._send(*self._crowd.reply(path, body))
        elif how == "drop":
            self._transport.abort()
        elif how == "slow":
            asyncio.get_running_loop().call_later(SLOW, self._send, *self._crowd.reply(path, b""))
        elif how != "hang":
            self._lie(how, path)

    def _lie(self, how: str, path: str) -> None:
        if how == "endless":
            self._transport.write(b"HTTP/1.1 200 X\r\n\r\n")
            self._drip()
        elif how == "html":
            self._send("text/html", b"<html>It works!</html>")
        elif how == "stuck" and path.endswith("/infer"):
            return
        elif how == "wrong" and path.endswith("/infer"):
            self._send("application/json", b'{"error": "wrong"}', status=500)
        elif how == "unready" and path.startswith("/v2/models/") and path.endswith("/ready"):
            self._send("", b"", status=400)
        elif path.startswith("/v2/health/") or how in ("unready", "wrong", "stuck"):
            self._send(*self._crowd.reply(path, b""))
        elif how == "huge":
            self._send("application/json", b"[" + b" " * BIG + b"]")
        else:
            self._send("application/json", b'{"model_stats": "none", "name": [')

    def _drip(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(b"x")
            asyncio.get_running_loop().call_later(DRIP, self._drip)

    def _send(self, kind: str, body: bytes, status: int = 200) -> None:
        if not self._transport.is_closing():
            self._transport.write(_head(status, kind, len(body), last=self._last) + body)
            if self._last:
                self._transport.close()


def _length(head: bytes) -> int:
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return next((int(value) for name, _, value in lines if name.lower() == b"content-length"), 0)


def _head(status: int, kind: str, length: int, *, last: bool) -> bytes:
    named = f"Content-Type: {kind}\r\n" if kind else ""
    named += "Connection: close\r\n" if last else ""
    return f"HTTP/1.1 {status} X\r\n{named}Content-Length: {length}\r\n\r\n".encode()


def _statistics(models: Iterable[str]) -> bytes:
    each = {"count": 200, "ns": 2_000_000_000}
    parts = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output", "cache_hit")
    stats = {part: {"count": 0, "ns": 0} if part in ("fail", "cache_hit") else each for part in parts}
    entry = {"version": "1", "last_inference": 1, "inference_count": 200, "execution_count": 90}
    found = [{"name": m, **entry, "inference_stats": stats, "batch_stats": []} for m in models]
    return json.dumps({"model_stats": found}).encode()


def _metrics(models: Iterable[str]) -> bytes:
    """About as long as those of a Triton with these models, with and without a number of our own."""
    families = (
        ("nv_inference_request_success", "Number of successful inference requests, all batch sizes", 200),
        ("nv_inference_request_failure", "Number of failed inference requests, all batch sizes", 0),
        ("nv_inference_count", "Number of inferences performed (does not include cached requests)", 200),
        ("nv_inference_exec_count", "Number of model executions performed", 90),
        ("nv_inference_request_duration_us", "Cumulative inference request duration in microseconds", 9e6),
        ("nv_inference_queue_duration_us", "Cumulative inference queuing duration in microseconds", 2e6),
        ("nv_inference_compute_input_duration_us", "Cumulative compute input duration in microseconds", 2e6),
        ("nv_inference_compute_infer_duration_us", "Cumulative compute inference duration in us", 2e6),
        ("nv_inference_compute_output_duration_us", "Cumulative inference compute output duration", 2e6),
        ("nv_inference_pending_request_count", "Instantaneous number of pending requests", 3),
    )
    lines = []
    for name, words, value in families:
        lines += [f"# HELP {name} {words}", f"# TYPE {name} counter"]
        lines += [f'{name}{{model="{model}",version="1"}} {value:g}' for model in models]
    gauges = {"nv_gpu_utilization": 0.5, "nv_gpu_memory_total_bytes": 8e9, "nv_gpu_memory_used_bytes": 2e9}
    lines += [f'{name}{{gpu_uuid="{GPU}"}} {value:.6f}' for name, value in gauges.items()]
    machine = {"utilization": 0.25, "memory_total_bytes": 64e9, "memory_used_bytes": 16e9}
    lines += [f"nv_cpu_{name} {value:.6f}" for name, value in machine.items()]
    return ("\n".join(lines) + "\n").encode()


def _config(model: str) -> bytes:
    takes = {"name": "INPUT0", "data_type": "TYPE_FP32", "dims": [4]}
    return json.dumps({"name": model, "max_batch_size": 8, "input": [takes]}).encode()


ANSWERS = {
    **{f"/v2/models/{model}/config": ("application/json", _config(model)) for model in MODELS},
    **{f"/v2/models/{model}/infer": ("application/json", b'{"outputs": []}') for model in MODELS},
    "/v2/repository/index": (
        "application/json",
        json.dumps([{"name": model, "version": "1", "state": "READY"} for model in MODELS]).encode(),
    ),
    "/v2/models/stats": ("application/json", _statistics(MODELS)),
    "/metrics": ("text/plain; charset=utf-8", _metrics(MODELS)),
}


def _listen(port: int) -> socket.socket:
    """All of 127.0.0.0/8, and nothing else: bound to the loopback device."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    listener.bind(("0.0.0.0", port))  # noqa: S104 - of that one device
    return listener


async def _serve(ports: Iterable[int]) -> None:
    crowd, loop = Crowd(), asyncio.get_running_loop()
    for port in ports:
        await loop.create_server(lambda: Client(crowd), sock=_listen(port), backlog=4096)
    print("ready", flush=True)  # noqa: T201 - for who started it
    await asyncio.Event().wait()


if __name__ == "__main__":
    from distctl.adapters.polling.poller import raise_file_limit

    raise_file_limit()
    asyncio.run(_serve(int(port) for port in sys.argv[1:]))
