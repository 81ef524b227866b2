"""Stand-ins for Triton by number, and waiting for what must come true."""

from __future__ import annotations

import json
import socket
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

from distctl.adapters.polling import Target
from distctl.cluster.spec import Endpoint, ServerId
from distctl.testing.many import address


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def eventually(claim: Callable[[], bool], seconds: float = 15.0) -> float:
    """Wait until a claim holds; how long that took."""
    begun = time.monotonic()
    while not claim():
        assert time.monotonic() - begun < seconds, "it did not come true"
        time.sleep(0.05)
    return time.monotonic() - begun


@dataclass(frozen=True)
class Crowd:
    """The stand-ins, by number."""

    http: int
    metrics: int

    def target(self, number: int) -> Target:
        host = address(number)
        return Target(
            ServerId(f"n{number}", "0"), Endpoint(host, self.http), Endpoint(host, self.metrics), key="secret"
        )

    def behave(self, **how: str) -> None:
        """Have servers, as `n3="hang"`, behave so from now on."""
        told = {address(int(name[1:])): word for name, word in how.items()}
        self._ask("behave", json.dumps(told).encode())

    def asked(self, number: int, path: str) -> int:
        """How often one server was asked for a path."""
        return int(json.loads(self._ask("asked")).get(address(number) + path, 0))

    def _ask(self, what: str, body: bytes | None = None) -> bytes:
        url = f"http://{address(9000)}:{self.http}/standin/{what}"
        with urllib.request.urlopen(url, data=body, timeout=5) as answer:
            return bytes(answer.read())
