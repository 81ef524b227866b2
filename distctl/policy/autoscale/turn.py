"""One turn of autoscaling: every model whose count follows demand, and what placement can hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from distctl.cluster.record import SetSized, Sized
from distctl.cluster.spec import ModelSpec
from distctl.policy.autoscale.decide import Asked, decide
from distctl.policy.autoscale.demand import Demand, demands
from distctl.policy.autoscale.kpa import Count
from distctl.policy.autoscale.memory import Memory, begin, target
from distctl.policy.counts import counts
from distctl.policy.decision import Decision, Seen
from distctl.policy.placement import Ground, place
from distctl.policy.wish import answering, ground_of


@dataclass(frozen=True, slots=True)
class Scaling:
    """What this policy remembers, by model, and which models that sleep are asked for just now, with why."""

    models: Mapping[str, Memory] = field(default_factory=dict)
    waking: Mapping[str, str] = field(default_factory=dict)


def autoscale(before: Scaling, seen: Seen) -> tuple[Scaling, list[Decision]]:
    """Say which counts change. Pure. A model that is pinned is watched, and keeps its pin."""
    scaled = [model for model in seen.spec.models if model.autoscale is not None]
    asks = demands((model.name for model in scaled), seen.spec.router_ids, seen.snapshot)
    serving = Counter(model for _, model in answering(seen.snapshot))
    inforce = counts(seen.spec, seen.record.pins, seen.record.sized)
    memories: dict[str, Memory] = {}
    asked: dict[str, Asked] = {}
    for model in scaled:
        count = Count(inforce[model.name].number, serving[model.name])
        memory, answer = _one(model, count, before.models.get(model.name), asks[model.name], seen)
        memories[model.name] = memory
        if answer is not None and inforce[model.name].pin is None:
            asked[model.name] = answer
    changes = [] if seen.busy else _changes(asked, seen, {name: c.number for name, c in inforce.items()})
    waking = {n: f"{n} wakes: {a.why}" for n, a in asked.items() if a.count and not inforce[n].number}
    return Scaling(memories, waking), changes


def _one(
    model: ModelSpec, count: Count, memory: Memory | None, demand: Demand, seen: Seen
) -> tuple[Memory, Asked | None]:
    assert model.autoscale is not None  # noqa: S101 - the caller chose those
    known = begin(model.autoscale, count.target, seen.now) if memory is None else memory
    each = target(model, seen.capacities.get(model.name, 1))
    return decide(model.autoscale, each, count, known, demand, seen.now)


def _changes(asked: Mapping[str, Asked], seen: Seen, inforce: Mapping[str, int]) -> list[Decision]:
    """What differs from the count in force once it is cut down to what can be placed."""
    room = _room(asked, seen, inforce)
    found = []
    for name, answer in asked.items():
        fits, short = room.get(name, (answer.count, ""))
        count = max(fits, answer.least)  # fewer than the least that is allowed is a shortage of the plan
        why = f"{answer.why}; {answer.count} wanted, {fits} fit: {short}" if short else answer.why
        before = seen.record.sized.get(name)
        if (count, answer.count) != (inforce[name], before.asked if before else inforce[name]):
            sized = Sized(name, count, answer.count, why, seen.now)
            found.append(Decision(name, f"{name} from {inforce[name]} to {count}: {why}", (SetSized(sized),)))
    return found


def _room(asked: Mapping[str, Asked], seen: Seen, inforce: Mapping[str, int]) -> dict[str, tuple[int, str]]:
    """What can be placed of the models that cannot get all they ask for, and why no more."""
    placed = Counter(replica.model for replica in seen.record.replicas)
    if all(answer.count <= placed[name] for name, answer in asked.items()):
        return {}
    wanted = {name: asked[name].count if name in asked else number for name, number in inforce.items()}
    short = place(seen.spec, wanted, _ground(seen)).shortages
    return {s.model: (s.placed, s.why) for s in short if s.model in asked}


def _ground(seen: Seen) -> Ground:
    """What placement finds. A quick look asks no node: only those asked in vain are out of reach.

    One that is turned off is turned on for what is wanted there.
    """
    away = frozenset(name for name, sight in seen.snapshot.nodes.items() if not sight.reachable)
    return replace(ground_of(seen.spec, seen.record, seen.snapshot), unreachable=away, off=frozenset())
