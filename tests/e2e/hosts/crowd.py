"""Many clients at once: those that ask for more than there is, and those that only hold a connection."""

from __future__ import annotations

import contextlib
import http.client
import json
import resource
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

HALVES = (  # what never becomes a request
    b"POST /v2/models/digits/infer HTTP/1.1\r\nhost: x\r\nx-a: ",
    b"POST /v2/mod",
    b"POST /v2/models/digits/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{",
)


@dataclass
class Times:
    """Seconds of each answer, by its status; what became of nothing is told in `failed`."""

    by_status: dict[int, list[float]] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def quantile(self, status: int, share: float) -> float:
        """Seconds."""
        times = sorted(self.by_status.get(status, ()))
        return times[min(int(len(times) * share), len(times) - 1)] if times else float("nan")


def ask_for_more(host: str, clients: int, seconds: float, *, pause: float) -> Times:
    """So many clients of the model `slow`, each with a connection, who pause after a refusal alone."""
    found, lock, until = Times(), threading.Lock(), time.monotonic() + seconds
    numbers = [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 1], "data": [7.0]}]
    delay = {"name": "DELAY_MS", "datatype": "INT32", "shape": [1, 1], "data": [200]}
    body = json.dumps({"inputs": [*numbers, delay]})

    def client() -> None:
        connection = http.client.HTTPConnection(host, 8000, timeout=20)
        with contextlib.closing(connection):
            while time.monotonic() < until:
                began = time.monotonic()
                connection.request("POST", "/v2/models/slow/infer", body)
                answer = connection.getresponse()
                said, took = json.loads(answer.read()), time.monotonic() - began
                with lock:
                    found.by_status.setdefault(answer.status, []).append(took)
                    if answer.status == 200 and said["outputs"][0]["data"] != [7.0]:
                        found.failed.append(f"wrong: {said}")
                if answer.status != 200:
                    time.sleep(pause)

    def told() -> None:
        try:
            client()
        except Exception as error:  # whatever a client meets is a failure to be told
            found.failed.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=told) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@contextlib.contextmanager
def held(host: str, idle: int, slow: int) -> Iterator[list[socket.socket]]:
    """Connections that say nothing, and those that never finish what they say, which are given."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    with contextlib.ExitStack() as stack:
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(idle):
            stack.enter_context(socket.create_connection((host, 8000), timeout=10))
        halves = [
            stack.enter_context(socket.create_connection((host, 8000), timeout=10)) for _ in range(slow)
        ]
        for number, connection in enumerate(halves):
            connection.sendall(HALVES[number % len(HALVES)])
        yield halves


def hung_up(connection: socket.socket) -> bool:
    """Whether the router has ended it."""
    connection.settimeout(0.0)
    try:
        while connection.recv(4096):
            pass
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
    return True
