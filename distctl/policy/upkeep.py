"""Keeping what the record wants: what differs is a trouble, and a trouble that lasts asks for a pass.

A pass that does not help is tried again after twice the time, up to a ceiling. Nothing here depends on what
is remembered: a controller that begins anew compares everything once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from distctl.cluster.record import Intent, Pin, Record
from distctl.cluster.router import SlotState
from distctl.cluster.snapshot import Instant
from distctl.cluster.spec import RouterId
from distctl.policy.counts import counts
from distctl.policy.decision import Decision, Ended, Seen

GRACE = 1.5  # seconds that a trouble must last: two looks, so that one bad answer moves nothing
FIRST = 4.0  # seconds from one pass for a trouble to the next, doubled each time
CEILING = 300.0  # seconds between two passes for it at most
WELL = 60.0  # seconds without the trouble after which it counts as a new one

DEEP = 600.0  # seconds after which a pass looks at the nodes themselves: their GPUs, disks and units

CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What operators asked for, as far as a pass has to bring it about."""

    revision: int
    intents: Mapping[str, Intent]
    pins: Mapping[str, Pin]


@dataclass(frozen=True, slots=True)
class Tries:
    """The passes for one trouble: how many, and when the last one ended."""

    count: int
    at: Instant

    @property
    def due(self) -> Instant:
        """When the next one may begin."""
        return self.at + min(CEILING, FIRST * 2.0 ** min(self.count - 1, 16))


@dataclass(frozen=True, slots=True)
class Upkeep:
    """What this policy remembers. Times are by subject."""

    wishes: Wishes | None = None  # those that the last pass was for
    compared: Instant = 0.0  # when that pass ended
    since: Mapping[str, Instant] = field(default_factory=dict)  # when each trouble was first seen
    tries: Mapping[str, Tries] = field(default_factory=dict)


def wishes(record: Record) -> Wishes:
    """What operators ask for now."""
    return Wishes(record.revision.number if record.revision else 0, record.intents, record.pins)


def upkeep(before: Upkeep, seen: Seen, needs: Mapping[str, str]) -> tuple[Upkeep, list[Decision]]:
    """Say for what a pass is due. Pure. `needs` are more troubles, which rest on several looks already."""
    found = {**changed(before, seen), **troubles(seen), **needs}
    since = {subject: before.since.get(subject, seen.now) for subject in found}
    tries = {s: t for s, t in before.tries.items() if s in found or seen.now - t.due < WELL}
    after = replace(before, since=since, tries=tries)
    now = [] if seen.busy else [s for s in found if seen.now >= since[s] + _grace(s, needs)]
    return after, [Decision(s, found[s]) for s in now if due(after, s, seen.now)]


def _grace(subject: str, needs: Mapping[str, str]) -> float:
    return 0.0 if subject == CLUSTER or subject in needs else GRACE


def due(memory: Upkeep, subject: str, now: Instant) -> bool:
    """Whether a pass for a trouble may begin as far as those for it before are concerned."""
    tries = memory.tries.get(subject)
    return tries is None or now >= tries.due


def ended(before: Upkeep, record: Record, decisions: Iterable[Decision], how: Ended) -> Upkeep:
    """What is remembered after a pass that began with this record."""
    if how.busy:
        return before
    tries = dict(before.tries)
    for decision in decisions:
        known = tries.get(decision.subject)
        tries[decision.subject] = Tries(known.count + 1 if known else 1, how.at)
    if how.broken:  # what it left is taken up at once
        tries.pop(CLUSTER, None)
        return replace(before, tries=tries, wishes=None)
    if how.failed:
        return replace(before, tries=tries)
    tries.pop(CLUSTER, None)
    return replace(before, tries=tries, wishes=wishes(record), compared=how.at)


def changed(before: Upkeep, seen: Seen) -> dict[str, str]:
    """Why everything is to be compared, under one subject; empty when nobody asked for anything new."""
    now, then = wishes(seen.record), before.wishes
    if now == then:
        late = seen.now - before.compared >= DEEP
        return {CLUSTER: f"no node itself was looked at for {DEEP / 60:.0f} minutes"} if late else {}
    return {CLUSTER: "; ".join(_news(then, now, seen)) if then else "everything is compared once"}


def _news(then: Wishes, now: Wishes, seen: Seen) -> Iterator[str]:
    revision = seen.record.revision
    if revision is not None and now.revision != then.revision:
        yield f"revision {revision.number} by {revision.author}"
    for name in sorted({*then.intents, *now.intents}):
        if then.intents.get(name) != now.intents.get(name):
            yield f"{name} is {_intent(now.intents.get(name))}"
    for name in sorted({*then.pins, *now.pins}):
        if then.pins.get(name) != now.pins.get(name):
            pin = now.pins.get(name)
            yield f"{name} is pinned to {pin.count} by {pin.by}" if pin else f"{name} is no longer pinned"


def _intent(intent: Intent | None) -> str:
    if intent is None:
        return "in use again"
    return f"{'draining' if intent.draining else 'cordoned'} by {intent.by}"


def troubles(seen: Seen) -> dict[str, str]:
    """What routers have, and what is placed, that is not as the record wants it: by subject, why. Pure.

    Whether servers and routers are well is asked in `healing`.
    """
    found = {f"router {r}": why for r in seen.spec.router_ids if (why := _router(seen, r))}
    return found | _short(seen)


def _router(seen: Seen, router: RouterId) -> str:
    sight = seen.snapshot.routers.get(router)
    if sight is None or sight.error or not sight.running:
        return ""
    for model, server, slot in sight.slots:
        replica = seen.record.replica(server, model)
        wanted = replica.slot if replica else SlotState.OFF
        announced = seen.busy and (slot.state, wanted) == (SlotState.DRAIN, SlotState.OFF)
        if slot.state is not wanted and not announced:  # a pass under way has it join soon
            return f"router {router}: slot {server} of {model} is {slot.state.value}, not {wanted.value}"
    return ""


def _short(seen: Seen) -> dict[str, str]:
    placed = Counter(model for _, model in seen.record.places)
    numbers = counts(seen.spec, seen.record.pins, seen.record.sized)
    external = {node.name for node in seen.spec.nodes if node.external}
    if external:  # they run what they run: what is placed there is not all in the record
        return {}
    return {
        f"model {name}": f"{placed[name]} of {count.number} replicas of {name} are placed"
        for name, count in numbers.items()
        if placed[name] < count.number
    }
