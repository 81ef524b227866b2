"""How much of a model's load each server is given, from what a request costs it. Pure.

A server that needs three times as long for a request should have a third of the requests in flight: then
everybody waits equally long. Weights are relative; the average replica has USUAL, so that one that was never
measured counts as average. They are changed only when one of them is clearly wrong, and then all together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from distctl.cluster.record import Record
from distctl.cluster.snapshot import Service
from distctl.cluster.spec import ServerId
from distctl.policy.images import FACT as IMAGE
from distctl.policy.reach import ROUND_TRIP

FACT = "weight."  # before a model and a server: how a node's facts keep what was measured there
USUAL, LEAST, MOST = 100, 1, 256  # HAProxy's weights end at 256; 0 would be a drain
ENOUGH = 100  # requests before a server is judged: the first ones warm caches
OVERHEAD = 0.002  # seconds that the way adds to each request: below it a difference is noise
CLEARLY = 0.25  # the part by which a weight must be wrong before it is changed
BUSY = 0.9  # the part of its processor or GPU from which on a server is given less
ALL_BUSY = 0.75  # what is left of the weight at full use


@dataclass(frozen=True, slots=True)
class Weight:
    """A replica's new weight, and why."""

    server: ServerId
    model: str
    before: int
    after: int
    why: str


def weights_of(record: Record, model: str) -> dict[ServerId, int]:
    """The weights of a model's replicas that are kept, by server."""
    found = {}
    for node, facts in record.facts.items():
        for key, value in facts.items():
            if key.startswith(f"{FACT}{model}/"):
                found[ServerId(node, key.removeprefix(f"{FACT}{model}/"))] = int(value)
    return found


def measured_of(facts: Mapping[str, str]) -> dict[str, str]:
    """Those of a node's facts that a look does not read: what was measured, and what its image means."""
    kept = (ROUND_TRIP, IMAGE)
    return {key: value for key, value in facts.items() if key in kept or key.startswith(FACT)}


def weight_facts(changed: Iterable[Weight]) -> dict[str, dict[str, str]]:
    """The facts that keep these weights, by node."""
    found = defaultdict[str, dict[str, str]](dict)
    for weight in changed:
        found[weight.server.node][f"{FACT}{weight.model}/{weight.server.server}"] = str(weight.after)
    return found


def weights(
    model: str,
    measured: Mapping[ServerId, Service],
    before: Mapping[ServerId, int],
    use: Mapping[ServerId, float] | None = None,
) -> tuple[Weight, ...]:
    """The weights of a model's replicas that change now; none while nothing is clearly wrong.

    `measured` is what the servers did for the model since somebody last looked, or ever; `before` are the
    weights that hold; `use` is the busy part of each server's processor or GPU, 0 to 1, where it is known.
    """
    known = {s: m for s, m in measured.items() if s in before and m.count >= ENOUGH}
    if len(known) < 2:  # noqa: PLR2004 - a weight says nothing by itself
        return ()
    speeds = {s: _headroom((use or {}).get(s, 0.0)) / (m.each + OVERHEAD) for s, m in known.items()}
    usual = sum(speeds.values()) / len(speeds)
    wanted = {s: min(MOST, max(LEAST, round(USUAL * speed / usual))) for s, speed in speeds.items()}
    if all(abs(wanted[s] - before[s]) <= CLEARLY * before[s] for s in wanted):
        return ()
    return tuple(
        Weight(server, model, before[server], wanted[server], _why(known[server]))
        for server in sorted(wanted)
        if wanted[server] != before[server]
    )


def _headroom(use: float) -> float:
    """What a busy server's speed is still worth."""
    over = max(0.0, min(use, 1.0) - BUSY) / (1.0 - BUSY)
    return 1.0 - over * (1.0 - ALL_BUSY)


def _why(done: Service) -> str:
    return f"{done.each * 1000:.1f} ms a request"
