"""The verdict on a server after rise and fall: it follows looks that agree, never a single one.

A verdict is kept from pass to pass, and what changes it is told once: a transition, with its reason.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from distctl.cluster.healing import HealingSpec
from distctl.cluster.record import Health, Record
from distctl.cluster.snapshot import Instant, Snapshot
from distctl.cluster.spec import ServerId
from distctl.policy.symptoms import Kind, Symptom

UNKNOWN = Symptom(Kind.UNKNOWN)
FAILING = frozenset({Kind.FAILING, Kind.STILL_FAILING})
BAD = FAILING | {Kind.WITHOUT, Kind.HUNG, Kind.DEAD, Kind.CRASH_LOOP, Kind.UNREACHABLE, Kind.GONE}
DOWN = frozenset({Kind.HUNG, Kind.DEAD})
MEMORY = 600.0  # seconds for which a fall is remembered
LOOP = 3  # falls within that time: a crash loop


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is held of one server or router, and since when.

    `seen` is what the last looks say where they say something else: `alike` of them the same, and `against`
    of them that it is not ready although the verdict says so. `turned` is when it last went from not bad to
    bad, `falls` are the last instants at which it was found dead or hung, `failures` those of failing.
    """

    symptom: Symptom = UNKNOWN
    since: Instant = 0.0
    seen: Symptom | None = None
    alike: int = 0
    against: int = 0
    turned: Instant = 0.0
    falls: tuple[Instant, ...] = ()
    failures: tuple[Instant, ...] = ()

    @property
    def kind(self) -> Kind:
        """The kind of it."""
        return self.symptom.kind

    @property
    def bad(self) -> bool:
        """Whether somebody should do something about it, or can not."""
        return self.kind in BAD


def judge(verdict: Verdict, seen: Symptom, rules: HealingSpec, now: Instant) -> Verdict:
    """The verdict after one more look. Pure; it changes when enough looks in a row agree.

    A server that was ready is so no more after `fall` looks of which none says ready, whatever they say;
    one that was not changes its name after `fall` looks that agree, and is ready again after `rise`.
    """
    if seen.state == verdict.symptom.state or _excused(verdict, seen):
        return replace(verdict, seen=None, alike=0, against=0)
    same = verdict.seen is not None and verdict.seen.state == seen.state
    counted = replace(
        verdict,
        seen=seen,
        alike=verdict.alike + 1 if same else 1,
        against=verdict.against + 1 if verdict.kind is Kind.READY else 0,
    )
    needed = rules.rise if seen.kind is Kind.READY else rules.fall
    enough = counted.alike >= needed or counted.against >= rules.fall
    return _turned(counted, seen, now) if enough else counted


def _excused(verdict: Verdict, seen: Symptom) -> bool:
    """Whether a look says nothing new: a grave verdict holds until it is ready again."""
    if verdict.kind is Kind.GONE:
        return seen.kind is not Kind.READY
    if verdict.kind is Kind.STILL_FAILING:
        return seen.kind is Kind.FAILING
    return verdict.kind is Kind.CRASH_LOOP and seen.kind in (Kind.STARTING, Kind.LOADING, *DOWN)


def _turned(verdict: Verdict, seen: Symptom, now: Instant) -> Verdict:
    falls = tuple(at for at in verdict.falls if at > now - MEMORY)
    if seen.kind in DOWN and verdict.kind not in DOWN:
        falls = (*falls, now)
        if len(falls) >= LOOP:
            why = f"{len(falls)} times down in {MEMORY / 60:.0f} min; now {seen.state}: {seen.why}"
            seen = Symptom(Kind.CRASH_LOOP, why)
    failures = tuple(at for at in verdict.failures if at > now - MEMORY)
    if seen.kind is Kind.FAILING and verdict.kind is not Kind.FAILING:
        failures = (*failures, now)
        seen = replace(seen, kind=Kind.STILL_FAILING) if len(failures) > 1 else seen
    turned = now if seen.kind in BAD and not verdict.bad else verdict.turned
    return Verdict(seen, since=now, turned=turned, falls=falls, failures=failures)


def gone(verdict: Verdict, why: str, now: Instant) -> Verdict:
    """The verdict once its replicas are placed elsewhere. It holds until the server is ready again."""
    return Verdict(Symptom(Kind.GONE, why), since=now, turned=verdict.turned, falls=verdict.falls)


def gone_servers(record: Record, snapshot: Snapshot) -> frozenset[ServerId]:
    """The servers whose replicas are to be elsewhere: the record says so, and no look says otherwise."""
    live = {server for server, sight in snapshot.servers.items() if sight.live}
    return frozenset(s for s, h in record.health.items() if h.state == Kind.GONE.value and s not in live)


def remembered(health: Health) -> Verdict:
    """The verdict that the record has: where a controller that starts goes on."""
    for kind in Kind:
        if health.state == kind.value:
            return Verdict(Symptom(kind, health.reason), since=health.since)
        if health.state.startswith(f"{kind.value} "):
            models = tuple(health.state.removeprefix(f"{kind.value} ").split(", "))
            return Verdict(Symptom(kind, health.reason, models), since=health.since)
    return Verdict()
