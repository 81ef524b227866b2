"""What clients of routers have in common: threads while a context is open, each answer counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

from typing_extensions import Self

Client = Callable[[], Iterator[None]]  # one connection's life: it yields after each right answer
SETTLE = 0.5  # seconds in which every client has begun
PAUSE = 0.002  # seconds between an answer and the next request


class Clients:
    """Clients in threads until the context ends. `failures` says what went wrong, `count` what was right."""

    def __init__(self, clients: Sequence[Client]) -> None:
        self.failures: list[str] = []
        self.count: dict[str, int] = {}  # right answers by client
        self.longest = 0.0  # seconds that an answer took
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._repeat, args=(client,)) for client in clients]

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        time.sleep(SETTLE)
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    @property
    def answers(self) -> int:
        """How many were right."""
        return sum(self.count.values())

    def _repeat(self, client: Client) -> None:
        name = getattr(client, "__name__", "")
        while not self.over.is_set():
            began = time.monotonic()
            try:
                for _ in client():
                    self.longest = max(self.longest, time.monotonic() - began)
                    self.count[name] = self.count.get(name, 0) + 1
                    if self.over.wait(PAUSE):
                        break
                    began = time.monotonic()
            except Exception as error:  # every failure counts, whatever it is
                self.failures.append(f"{name} after {time.monotonic() - began:.3f} s: {error!r}")
                time.sleep(0.05)
