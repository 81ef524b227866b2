"""One controller of many servers, as a process of its own:

    python -m benchmarks.observing FOLDER SERVERS PORT SECONDS

It is the real loop, session, record and poller, for an inventory of servers that run without us; only what it
decides is not carried out, but for some passes at the end. Prints what it cost, as JSON.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from distctl.adapters.clock import SystemClock
from distctl.app.compose import open_inventory, read_inventory
from distctl.app.controller import THREADS, Controller
from distctl.cluster.record import Change, Replica, Revision, SetReplica, SetRevision
from distctl.cluster.router import SlotState
from distctl.cluster.spec import nth_server
from distctl.config import Inventory
from distctl.control.loop import Loop
from distctl.policy.decision import Decision, Ended, Seen
from distctl.testing.many import MODELS, address

WARM = 6.0  # seconds that are not counted: imports, first connections
PASSES = 3  # whole ones, of which the shortest counts
EACH = 1 / 250  # of them more for each server: everybody is asked for everything at first


class Watched(Controller):
    """Carries nothing out, and notes how old the oldest sight is and who had no answer."""

    ages: list[float]
    stretches: list[float]
    silent = 0

    def look(self) -> Seen | None:
        """As the controller's."""
        seen = super().look()
        if seen is not None and self._watching is not None:
            self.ages.append(time.time() - min(self._asked_at(seen)))
            self.stretches.append(self._watching[1].stretch)
            self.silent = sum(bool(sight.error) for sight in seen.snapshot.servers.values())
        return seen

    def _asked_at(self, seen: Seen) -> list[float]:
        return [sight.at for sight in seen.snapshot.servers.values() if sight.at] or [time.time()]

    def passed(self) -> float:
        """Seconds of a whole pass that finds nothing to do."""
        self.lead()
        begun = time.perf_counter()
        how = super().act([Decision("cluster", "measured")])
        assert not how.failed and not how.busy, how.text
        return time.perf_counter() - begun

    def act(self, decisions: Sequence[Decision]) -> Ended:
        """Nothing."""
        return Ended(time.time(), text=f"{len(decisions)} decisions")


FILE = """\
version: 1
cluster: bench
runtime: {kind: external}
nodes: {one: {address: 127.0.0.1}}
models: {digits: {source: "node:/srv/d"}, chat: {source: "node:/srv/c"}, xray: {source: "node:/srv/x"}}
"""


def inventory_of(folder: Path, servers: int, port: int) -> Inventory:
    """So many nodes with a server each; not by a file, to which all of 127.0.0.0/8 is one machine."""
    file = folder / "cluster.yaml"
    file.write_text(FILE)
    found = read_inventory(file)
    (one,) = found.spec.nodes
    hosts = {f"n{number:05}": address(number) for number in range(servers)}
    nodes = tuple(
        replace(one, name=name, address=host, serve_address=host, servers=(nth_server(name, host, port, 0),))
        for name, host in hosts.items()
    )
    models = tuple(replace(model, replicas=servers) for model in found.spec.models)
    return replace(found, spec=replace(found.spec, nodes=nodes, models=models))


def remember(inventory: Inventory) -> None:
    """Write the record that an `up` would have left: the revision, and every replica ready."""
    with open_inventory(inventory, warn=lambda _: None) as session:
        changes: list[Change] = [SetRevision(Revision(1, session.spec_document(), "bench", time.time()))]
        for server in session.spec.servers:
            changes += [SetReplica(Replica(server.id, model, "", SlotState.READY)) for model in MODELS]
        session.store.commit(None, changes)


@dataclass
class Timed(Loop):
    """A loop that notes how long its turns take."""

    turns: list[float] = field(default_factory=list)

    def step(self) -> None:
        """As the loop's."""
        begun = time.perf_counter()
        super().step()
        self.turns.append(time.perf_counter() - begun)


def held() -> float:
    """MiB of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main(folder: str, servers: str, port: str, seconds: str) -> None:
    """Watch for some seconds and print the cost."""
    inventory = inventory_of(Path(folder), int(servers), int(port))
    remember(inventory)
    warm = WARM + int(servers) * EACH
    end = [time.monotonic() + warm + float(seconds)]
    said: list[str] = []
    controller = Watched(
        inventory,
        warn=lambda _: None,
        say=lambda kind, text: said.append(f"{kind} {text}"),
        stopping=lambda: time.monotonic() > end[0],
    )
    controller.ages, controller.stretches = [], []
    minutes = []
    with closing(controller), ThreadPoolExecutor(THREADS + 1) as pool:
        loop = Timed(controller, SystemClock(), controller._say, controller._stopping, pool)
        running = pool.submit(loop.run)
        time.sleep(warm)
        controller.ages, controller.stretches, loop.turns = [], [], []
        before, began = time.process_time(), time.monotonic()
        while not running.done():
            time.sleep(min(60.0, max(end[0] - time.monotonic(), 0.1)))
            minutes.append(held())
        running.result()
        spent, passed = time.process_time() - before, time.monotonic() - began
        end[0] = math.inf
        passes = [controller.passed() for _ in range(PASSES)]
    print(
        json.dumps(
            {
                "share": spent / passed,
                "turn": statistics.median(loop.turns),
                "turns": len(controller.ages) / passed,
                "pass": min(passes),
                "age": max(controller.ages),
                "stretch": statistics.mean(controller.stretches),
                "memory": max(minutes),
                "minutes": minutes[: int(float(seconds) // 60)],
                "silent": controller.silent,
                "said": said[-3:],
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
