"""One process of clients, all of one protocol: what `load.Load` starts. It ends with its standard input."""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from load_connections import PATIENCE, Grpc, Http, Wrong
from load_questions import one_turn

MOST = 200_000  # requests of one process
PEAK = 0.25  # seconds of which only the longest request of each client is kept


@dataclass
class Tally:
    """What one process has seen."""

    requests: int = 0
    failed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    peaks: dict[tuple[str, int], tuple[float, float, str]] = field(default_factory=dict)
    by_client: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(
        self, client: str, turn: str, at: float, seconds: float, failed: str = "", wrong: str = ""
    ) -> None:
        """Note one request, or one sequence of them; `turn` is its id in the routers' logs."""
        with self.lock:
            self.requests += 1
            self.by_client[client] += 1
            clock = f"{time.strftime('%H:%M:%S', time.localtime(at))}.{int(at % 1 * 1000):03d}"
            said = f"{clock} {client} {seconds:.3f} s {turn}: "
            if failed:
                self.failed.append(said + failed)
            if wrong:
                self.wrong.append(said + wrong)
            place = (client, int(at / PEAK))
            if place not in self.peaks or self.peaks[place][1] < seconds:
                self.peaks[place] = (at, seconds, client)


def connect(name: str, order: dict[str, Any]) -> Http | Grpc:
    """A client's connection."""
    if ":grpc" in name:
        return Grpc(order["host"], order["port"], **order["how"])
    return Http(
        order["host"],
        order["port"],
        hops=name.startswith("hops"),
        **order["how"],
    )


def client(name: str, order: dict[str, Any], tally: Tally, stop: threading.Event, began: Any) -> None:
    """One client until the end."""
    connection = connect(name, order)
    random_ = random.Random(name)
    first = True
    while not stop.is_set() and tally.requests < MOST:
        at, begun, failed, wrong = time.time(), time.monotonic(), "", ""
        connection.turn = f"{name.replace('#', ':')}:{os.getpid()}:{tally.by_client[name]}"
        try:
            one_turn(name, connection, random_, order["pause"])
        except Wrong as error:
            wrong = str(error)
        except Exception as error:  # whatever a client meets is a failure to be told
            failed = f"{type(error).__name__}: {error}"[:300]
        tally.take(name, connection.turn, at, time.monotonic() - begun, failed, wrong)
        if first:
            first = False
            began.wait(PATIENCE)
        stop.wait(order["pause"])


def main(order: dict[str, Any]) -> None:
    """Run all clients of one protocol until standard input ends."""
    tally, stop = Tally(by_client=dict.fromkeys(order["clients"], 0)), threading.Event()
    began = threading.Barrier(len(order["clients"]) + 1)
    threads = [
        threading.Thread(target=client, args=(name, order, tally, stop, began), daemon=True)
        for name in order["clients"]
    ]
    for thread in threads:
        thread.start()
    began.wait(PATIENCE)
    print("ready", flush=True)
    watcher = threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True)
    watcher.start()
    stop.wait(order["seconds"])
    stop.set()
    for thread in threads:
        thread.join(PATIENCE)
    found = {k: getattr(tally, k) for k in ("requests", "failed", "wrong", "by_client")}
    print(json.dumps({**found, "slowest": list(tally.peaks.values())}), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
