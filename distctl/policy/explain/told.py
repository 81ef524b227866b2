"""What an explanation is made from and what it is; and the words that all of them use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from distctl.cluster.record import Event, Health, Hour, Load, Record
from distctl.cluster.snapshot import Instant, Snapshot
from distctl.cluster.spec import RouterId, ServerId, Spec
from distctl.policy.devices import all_lost
from distctl.policy.health import remembered
from distctl.policy.pace import Day
from distctl.policy.placement import Ground
from distctl.policy.standing import Sights, Standing, standing
from distctl.policy.symptoms import Evidence, Kind
from distctl.policy.wish import ground_of

NAMED = 4  # names of one list that are said
AWAY = (Kind.UNREACHABLE, Kind.GONE)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Sentences, under what each answers. `state` is the word that `status` has for it."""

    kind: str  # node, server, model or router
    name: str
    state: str
    what: tuple[str, ...]
    why: tuple[str, ...]
    last: tuple[Event, ...]  # oldest first
    change: tuple[str, ...]
    day: Day | None = None  # of a model: its load in the last 24 hours


@dataclass(frozen=True)
class Told:
    """All that an explanation may look at.

    `spec` has also what left the file and is still there, `left` names that. `led`: a controller leads.
    `events` are those of the subject, `cluster` those of the cluster, oldest first; `loads` an hour of
    minutes, `hours` a day of hours; `configs` the digest that each router's file is to have, where that
    could be worked out.
    """

    spec: Spec
    record: Record
    snapshot: Snapshot
    led: bool = False
    events: tuple[Event, ...] = ()
    cluster: tuple[Event, ...] = ()
    loads: tuple[Load, ...] = ()
    hours: tuple[Hour, ...] = ()
    configs: Mapping[RouterId, str] = field(default_factory=dict)
    left: frozenset[str] = frozenset()

    @property
    def now(self) -> Instant:
        """When it was seen."""
        return self.snapshot.at

    @cached_property
    def standing(self) -> Standing:
        """What `status` says."""
        return standing(self.spec, self.record, self.snapshot)

    @cached_property
    def sights(self) -> Sights:
        """What was seen of slots."""
        return Sights(self.record, self.snapshot, all_lost(self.spec, self.record.facts))

    @cached_property
    def evidence(self) -> Evidence:
        """What this one look says of servers."""
        return Evidence(self.record, self.snapshot)

    @cached_property
    def ground(self) -> Ground:
        """What placement finds; a node that was not looked at is away when none of its servers is heard."""
        seen = ground_of(self.spec, self.record, self.snapshot)
        away = {n.name for n in self.spec.nodes if not n.external and self._away(n.name)}
        return replace(seen, unreachable=frozenset(away))

    def _away(self, node: str) -> bool:
        if sight := self.snapshot.nodes.get(node):
            return not sight.reachable
        servers = [server.id for server in self.spec.node(node).servers]
        return bool(servers) and all(self.evidence.symptom(server).kind in AWAY for server in servers)

    def held(self, server: ServerId) -> Health | None:
        """The verdict that the record has, where it still says something: not of one that is known well."""
        health = self.record.health.get(server)
        return health if health is not None and remembered(health).kind is not Kind.UNKNOWN else None

    def of(self, *subjects: str) -> tuple[Event, ...]:
        """The events of some subjects."""
        return tuple(event for event in self.events if event.subject in subjects)


def span(seconds: float) -> str:
    """How long, to one unit: `40 s`, `12 min`, `3 h`, `5 days`."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def listed(names: Iterable[str]) -> str:
    """Some names: the first few, and how many more."""
    every = list(names)
    more = f" and {len(every) - NAMED} more" if len(every) > NAMED else ""
    return ", ".join(every[:NAMED]) + more


def counted(number: int, what: str) -> str:
    """A number of things: `1 server`, `2 servers`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def said_by(by: str, why: str, since: Instant, now: Instant) -> str:
    """Who said something, when and why: `by ann, 4 min ago: "new disk"`."""
    return f"by {by}, {span(now - since)} ago" + (f': "{why}"' if why else "")
