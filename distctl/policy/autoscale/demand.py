"""What is asked of a model at one instant, as its routers count it.

In flight, queued and held, summed over protocols, workers and routers. What waits inside Triton is in flight
for the router, so it is not added again. A router that does not answer leaves the sum a lower bound.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from distctl.cluster.snapshot import Snapshot
from distctl.cluster.spec import RouterId


@dataclass(frozen=True, slots=True)
class Demand:
    """One model's. `totals` are the requests that each router has sent to servers since its worker began.

    `blind` says why this is a lower bound, "" when it is whole; `holds`: each router that runs has a place
    where requests wait for a first server.
    """

    requests: int = 0
    held: int = 0
    totals: Mapping[RouterId, int] = field(default_factory=dict)
    blind: str = ""
    holds: bool = False


def demands(models: Iterable[str], routers: Iterable[RouterId], snapshot: Snapshot) -> dict[str, Demand]:
    """The demand of some models, as the routers of the spec tell it."""
    wanted = {router: snapshot.routers.get(router) for router in routers}
    running = {id: sight for id, sight in wanted.items() if sight is not None and sight.running}
    requests, held = Counter[str](), Counter[str]()
    totals: dict[str, dict[RouterId, int]] = defaultdict(dict)
    for id, sight in running.items():
        held.update(sight.held)
        requests.update(sight.held)
        for model, _, slot in sight.slots:
            requests[model] += slot.in_flight + slot.queued
            totals[model][id] = totals[model].get(id, 0) + slot.total
    silent = sorted(str(id) for id, sight in wanted.items() if sight is None or sight.error)
    blind = f"no figures from {', '.join(silent)}" if silent else "" if running else "no router runs"
    return {
        name: Demand(
            requests[name],
            held[name],
            totals.get(name, {}),
            blind,
            bool(running) and all(name in sight.held for sight in running.values()),
        )
        for name in models
    }
