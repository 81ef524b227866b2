"""Constant verified load: clients of a router that know the right answer to everything they ask.

    with Load(http_port, grpc_port, "digits:http", "digits:grpc", "simple:http*2") as load:
        kill_something()
    load.report.require_whole()

The clients run in two processes beside the tests', one for each protocol, so that neither the suite's own
work nor the other protocol's distorts a latency. Each client is a thread with a connection of its own that
sends real inputs, compares each answer with the known one and pauses. Nothing is sent twice by a client: what
the router does not answer counts as failed. Bounded in time and count; a process whose parent is gone ends.

A client is `WHAT:PROTOCOL[*HOW_MANY]`. WHAT is digits, simple, slow, large (slow with 600 KB), versioned
(either version's answer is right), stream (repeat_int32 over ModelStreamInfer), words (textgen, likewise),
sequence (simple_sequence, whose sum must come from one server), and over REST alone hops (a sequence with a
connection for each step), sse (textgen by generate_stream) or huge (10 MB of simple_identity, binary).
With `patient` clients wait for a connection that nobody takes; what was sent is still never sent again.
With `authority`, a file of PEM, they speak TLS and trust it alone.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

WORKER = Path(__file__).with_name("load_worker.py")
PAUSE = 0.02  # seconds between an answer and the next request of a client
LONGEST_RUN = 240.0  # seconds; a load that nobody ends ends itself
KEPT = 40  # failures that are told one by one


@dataclass(frozen=True)
class Slow:
    """One request: when it began (`time.time()`), how long it took, whose it was."""

    at: float
    seconds: float
    client: str


@dataclass(frozen=True)
class Report:
    """What a load has seen."""

    requests: int = 0
    failed: tuple[str, ...] = ()  # when, who, how long, its request id, what was said
    wrong: tuple[str, ...] = ()
    slowest: tuple[Slow, ...] = ()  # the longest of each client and quarter of a second
    by_client: dict[str, int] = field(default_factory=dict)

    @property
    def longest(self) -> float:
        """The longest request, in seconds."""
        return self.slowest[0].seconds if self.slowest else 0.0

    def longest_between(self, begin: float, end: float, client: str = "") -> float:
        """The longest request that began, or was under way, between two instants of `time.time()`."""
        return max(
            (
                s.seconds
                for s in self.slowest
                if s.at + s.seconds >= begin and s.at <= end and client in s.client
            ),
            default=0.0,
        )

    def __str__(self) -> str:
        return (
            f"{self.requests} requests, failed {len(self.failed)}, wrong {len(self.wrong)}, "
            f"longest {self.longest:.3f} s"
        )

    def require_whole(self, *, at_least: int = 50) -> None:
        """Fail the test unless every request was answered, and rightly."""
        lines = [str(self), *self.failed[:KEPT], *self.wrong[:KEPT]]
        assert not self.failed, "\n".join(lines)
        assert not self.wrong, "\n".join(lines)
        assert self.requests >= at_least, f"that was no load: {self}"
        idle = [client for client, count in self.by_client.items() if not count]
        assert not idle, f"these clients asked nothing: {idle}"


class Load:
    """Clients that run while the `with` block does; `report` is there afterwards."""

    def __init__(
        self,
        http_port: int,
        grpc_port: int,
        *clients: str,
        host: str = "127.0.0.1",
        pause: float = PAUSE,
        seconds: float = LONGEST_RUN,
        patient: bool = False,
        authority: Path | None = None,
    ) -> None:
        self.report = Report()
        how = {"patient": patient, "authority": str(authority or "")}
        same = {"host": host, "pause": pause, "seconds": seconds, "how": how}
        self._orders = [
            {**same, "port": port, "clients": names}
            for port, names in (
                (http_port, [c for c in _spread(clients) if ":http" in c]),
                (grpc_port, [c for c in _spread(clients) if ":grpc" in c]),
            )
            if names
        ]
        self._workers: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Load:
        for order in self._orders:
            words = [sys.executable, str(WORKER), json.dumps(order)]
            pipe = subprocess.PIPE
            self._workers.append(subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True))
        for worker in self._workers:
            assert worker.stdout is not None
            first = worker.stdout.readline()
            if first.strip() != "ready":
                self._end()
                raise AssertionError(f"the load did not begin: {first}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        found = self._end()
        self.report = Report(
            requests=sum(f["requests"] for f in found),
            failed=tuple(text for f in found for text in f["failed"]),
            wrong=tuple(text for f in found for text in f["wrong"]),
            slowest=tuple(sorted((Slow(*s) for f in found for s in f["slowest"]), key=lambda s: -s.seconds)),
            by_client={k: v for f in found for k, v in f["by_client"].items()},
        )
        print(f"load: {self.report}")
        if kind is not None and (self.report.failed or self.report.wrong):
            print("\n".join([*self.report.failed[:KEPT], *self.report.wrong[:KEPT]]))

    def _end(self) -> list[dict[str, Any]]:
        for worker in self._workers:
            assert worker.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                worker.stdin.close()
        found = []
        for worker in self._workers:
            assert worker.stdout is not None
            with worker.stdout as stdout:
                text = stdout.read()
            if worker.wait(timeout=60) == 0 and text.strip():
                found.append(json.loads(text.splitlines()[-1]))
        ended, self._workers = len(self._workers), []
        assert len(found) == ended, "a process of the load died"
        return found


def _spread(clients: Sequence[str]) -> Iterator[str]:
    for client in clients:
        name, _, times = client.partition("*")
        for number in range(int(times or 1)):
            yield f"{name}#{number}"
