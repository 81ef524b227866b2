"""One turn of autoscaling: every model whose count follows demand, and what placement can hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from distctl.cluster.record import Record
from distctl.cluster.snapshot import Instant, Snapshot
from distctl.cluster.spec import ModelSpec, Spec
from distctl.policy.autoscale.decide import Asked, decide
from distctl.policy.autoscale.demand import Demand, demands
from distctl.policy.autoscale.kpa import Count
from distctl.policy.autoscale.memory import Memory, begin, target
from distctl.policy.counts import counts
from distctl.policy.placement import place
from distctl.policy.wish import answering, ground_of

Memories = Mapping[str, Memory]  # by model


@dataclass(frozen=True, slots=True)
class Decision:
    """A count that changes. `asked` is what demand asks for: more where no more can be placed."""

    model: str
    count: int
    asked: int
    why: str


def turn(
    memories: Memories,
    spec: Spec,
    record: Record,
    snapshot: Snapshot,
    now: Instant,
    *,
    capacities: Mapping[str, int],
) -> tuple[dict[str, Memory], tuple[Decision, ...]]:
    """One look at every model: what to remember, and the counts that change.

    `capacities` are the requests that one server of a model can use at once. A model that is pinned is
    watched, and keeps its pin.
    """
    scaled = [model for model in spec.models if model.autoscale is not None]
    seen = demands((model.name for model in scaled), spec.router_ids, snapshot)
    serving = Counter(model for _, model in answering(snapshot))
    inforce = counts(spec, record.pins, record.sized)
    remembered: dict[str, Memory] = {}
    asked: dict[str, Asked] = {}
    for model in scaled:
        count = Count(inforce[model.name].number, serving[model.name])
        memory, answer = _one(model, count, memories.get(model.name), seen[model.name], now, capacities)
        remembered[model.name] = memory
        if answer is not None and inforce[model.name].pin is None:
            asked[model.name] = answer
    return remembered, _changes(asked, spec, record, snapshot, {n: c.number for n, c in inforce.items()})


def _one(
    model: ModelSpec,
    count: Count,
    memory: Memory | None,
    demand: Demand,
    now: Instant,
    capacities: Mapping[str, int],
) -> tuple[Memory, Asked | None]:
    assert model.autoscale is not None  # noqa: S101 - the caller chose those
    known = begin(model.autoscale, count.target, now) if memory is None else memory
    return decide(model.autoscale, target(model, capacities.get(model.name, 1)), count, known, demand, now)


def _changes(
    asked: Mapping[str, Asked],
    spec: Spec,
    record: Record,
    snapshot: Snapshot,
    inforce: Mapping[str, int],
) -> tuple[Decision, ...]:
    """What differs from the count in force once it is cut down to what can be placed."""
    room = _room(asked, spec, record, snapshot, inforce)
    found = []
    for name, answer in asked.items():
        fits, short = room.get(name, (answer.count, ""))
        count = max(fits, answer.least)  # fewer than the least that is allowed is a shortage of the plan
        why = f"{answer.why}; {answer.count} wanted, {fits} fit: {short}" if short else answer.why
        before = record.sized.get(name)
        if (count, answer.count) != (inforce[name], before.asked if before else inforce[name]):
            found.append(Decision(name, count, answer.count, why))
    return tuple(found)


def _room(
    asked: Mapping[str, Asked],
    spec: Spec,
    record: Record,
    snapshot: Snapshot,
    inforce: Mapping[str, int],
) -> dict[str, tuple[int, str]]:
    """What can be placed of the models that cannot get all they ask for, and why no more."""
    placed = Counter(replica.model for replica in record.replicas)
    if all(answer.count <= placed[name] for name, answer in asked.items()):
        return {}
    wanted = {name: asked[name].count if name in asked else number for name, number in inforce.items()}
    short = place(spec, wanted, ground_of(spec, record, snapshot)).shortages
    return {s.model: (s.placed, s.why) for s in short if s.model in asked}
