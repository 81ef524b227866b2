"""The master's socket: one connection for each question."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from distctl.commands.haproxy import wire
from distctl.errors import NothingListens, RouterError

TIMEOUT = 5.0  # seconds without a byte; a reload of 10,000 slots takes 0.1
BATCH = 100  # commands in one line: HAProxy reads a line into one buffer

Dial = Callable[[float], socket.socket]


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at every worker."""

    worker: wire.Worker
    processes: wire.Processes
    counts: dict[wire.Place, wire.Count]


class Master:
    """Asks and tells one HAProxy. `dial` opens its master socket; `name` says whose it is, in errors."""

    def __init__(self, name: str, dial: Dial) -> None:
        self._name, self._dial = name, dial

    def read(self) -> Reading | None:
        """What the workers are now; None when nothing listens. Raises NodeError, RouterError."""
        try:
            answer = self.ask(wire.LOOK)
        except NothingListens:
            return None
        processes = wire.processes(answer)
        worker = wire.worker(answer)
        if processes.worker != worker.pid:  # it was just being replaced
            worker = replace(worker, pid=0)
        counts = dict(worker.counts)
        if processes.old:
            counts = wire.counts(answer + "\n\n" + self.ask(wire.old_counts(processes.old)))
        return Reading(worker, processes, counts)

    def tell(self, pid: int, commands: Iterable[str]) -> None:
        """Give commands to one worker. Raises RouterError with what it answered."""
        left = list(commands)
        while left:
            batch, left = left[:BATCH], left[BATCH:]
            if said := wire.complaints(self.ask(wire.tell(pid, batch))):
                raise RouterError(f"router {self._name} refused a command: {said}")

    def reload(self) -> None:
        """Have the master start a new worker from the file. Raises RouterError with its reasons."""
        answer = self.ask(wire.RELOAD, timeout=60.0)
        if not wire.reloaded(answer):
            raise RouterError(
                f"router {self._name} refused to reload and serves on as it was: {_reasons(answer)}"
            )

    def ask(self, question: str, *, timeout: float = TIMEOUT) -> str:
        """One line in, all of the answer out."""
        stream = self._dial(timeout)
        try:
            stream.settimeout(timeout)
            stream.sendall(question.encode() + b"\n")
            stream.shutdown(socket.SHUT_WR)  # without it the master waits for more
            parts = []
            while part := stream.recv(65536):
                parts.append(part)
        except OSError as error:
            raise RouterError(f"router {self._name} did not answer: {error}") from error
        finally:
            stream.close()
        return b"".join(parts).decode("utf-8", "replace")


def _reasons(answer: str) -> str:
    lines = [line.strip() for line in answer.splitlines()]
    return "; ".join(line for line in lines if "ALERT" in line) or " ".join(lines[-3:])
