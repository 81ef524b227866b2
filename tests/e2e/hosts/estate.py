"""Three nodes, two routers behind one address, all kinds of clients at once.

The contract with them: planned work loses nothing of any kind. A lost server loses what it alone could
answer: open sequences and streams, and bodies beyond `replay_limit`; a lost router its open connections.
Each is told to its client at once, and nothing is ever wrong.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from command import Operator
from contract import turns
from hosts import Hosts
from load import Load, Report
from pair import Pair

SLOW = {
    "source": str(Path(__file__).parents[2] / "models" / "slow"),
    "concurrency": 4,
    "queue": {"length": 12},
}
EVERYWHERE = ("digits", "simple", "simple_identity", "simple_sequence", "textgen")
MODELS = {**{name: {"replicas": 3} for name in EVERYWHERE}, "slow": {"replicas": 3, **SLOW}}
ROUTER: dict[str, Any] = {"lame_duck": "2s", "limits": {"upload": "5s"}}
REPLAYED = ("digits:http*2", "digits:grpc*2", "simple:http", "simple:grpc")
HELD = ("sequence:http*2", "sequence:grpc*2", "hops:http*2", "words:grpc*2", "sse:http*2", "huge:http")
SETTLE = 2.0  # seconds of load before and after what a test does
MOST = "100000"  # requests of which a router is asked
Figure = Callable[[str], None]


def build(machines: Hosts, folder: Path) -> Pair:
    """All of it, to be brought up."""
    places = [machines.add(name) for name in ("lb01", "lb02")]
    servers = [machines.add(f"gpu0{number}") for number in (1, 2, 3)]
    made = Pair(Operator(machines, folder), places, servers, MODELS)
    made.write(**ROUTER)
    return made


def everybody(estate: Pair, **how: Any) -> Load:
    """Clients of every kind."""
    return estate.load(*REPLAYED, *HELD, **how)


def holders(estate: Pair, report: Report, begun: float) -> set[str | None]:
    """The servers that had what failed since an instant: of a sequence the one that had its first step."""
    since = f"{time.time() - begun + 1:.0f}s"
    said = estate.operator.run("logs", "main", "-n", MOST, "--since", since, "-o", "json").stdout
    lines = sorted(map(json.loads, said.splitlines()), key=lambda line: float(line["at"]), reverse=True)
    first = {line.get("request"): line.get("server") for line in lines}
    missing = turns(report) - first.keys()
    assert len(missing) <= dropped(estate), f"in no log: {missing}\n{report.failed}"
    return {first[turn] for turn in turns(report) - missing}


def dropped(estate: Pair) -> int:
    """The lines that routers could not write in time: they wait for no reader."""
    name, count = "haproxy_process_dropped_logs_total", 0
    for place in estate.places:
        with urllib.request.urlopen(f"http://{place.address}:8002/metrics", timeout=10) as answer:
            values = [
                line.split()[1] for line in answer.read().decode().splitlines() if line.startswith(name)
            ]
        count += sum(int(float(value)) for value in values)
    return count


def tell(figure: Figure, what: str, report: Report, lost: Counter[str] | None = None) -> None:
    kinds = Counter(name.partition("#")[0] for name in lost or ())
    held = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
    figure(f"{what}: {report}" + (f" (by contract: {held or 'none'})" if lost is not None else ""))
