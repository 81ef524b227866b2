"""What went on within the last seconds, from the looks of that time. Pure.

Rates are what counters grew by from the oldest look to the newest; one that began anew adds nothing. Latency
is what Triton itself says: a request's mean time in the server, its queue included.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from distctl.cluster.snapshot import ServerSight, Service, Snapshot
from distctl.cluster.spec import RouterId, ServerId

WINDOW = 5.0  # seconds
Key = tuple[RouterId, str, ServerId]  # a router, a model, a server


@dataclass(frozen=True)
class Went:
    """What went through. Rates are requests a second that routers sent on, times a request's mean seconds.

    By model, by node (its name) and by router; one that is absent had nothing.
    """

    rates: Mapping[str | RouterId, float] = field(default_factory=dict)
    node_rates: Mapping[str, float] = field(default_factory=dict)
    times: Mapping[str, float] = field(default_factory=dict)
    node_times: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lately:
    """The looks of the last seconds, the oldest first."""

    looks: tuple[Snapshot, ...] = ()

    def seen(self, now: Snapshot) -> Lately:
        """With one more look."""
        return Lately((*(look for look in self.looks if 0 < now.at - look.at <= WINDOW), now))

    def went(self) -> Went | None:
        """What went through between the first look and the last; None with one look alone."""
        if len(self.looks) < 2:  # noqa: PLR2004
            return None
        first, last = self.looks[0], self.looks[-1]
        before, seconds = _counters(first), last.at - first.at
        rates = defaultdict[str | RouterId, float](float)
        nodes = defaultdict[str, float](float)
        for key, total in _counters(last).items():
            router, model, server = key
            rate = max(0, total - before.get(key, total)) / seconds
            rates[router] += rate
            rates[model] += rate
            nodes[server.node] += rate
        served = list(_served(first, last))
        times = _times((model, service) for (_, model), service in served)
        return Went(rates, nodes, times, _times((id.node, service) for (id, _), service in served))


def _times(served: Iterable[tuple[str, Service]]) -> dict[str, float]:
    """A request's mean time in its server, by name; none where nothing was answered."""
    count, seconds = Counter[str](), defaultdict[str, float](float)
    for name, service in served:
        count[name] += service.count
        seconds[name] += service.seconds + service.waited
    return {name: seconds[name] / number for name, number in count.items() if number}


def _counters(look: Snapshot) -> dict[Key, int]:
    return {(id, m, s): slot.total for id, sight in look.routers.items() for m, s, slot in sight.slots}


def _served(first: Snapshot, last: Snapshot) -> Iterator[tuple[tuple[ServerId, str], Service]]:
    for id, sight in last.servers.items():
        for model, now in sight.service.items():
            yield (id, model), _since(first.servers.get(id), model, now)


def _since(sight: ServerSight | None, model: str, now: Service) -> Service:
    then = sight.service.get(model, now) if sight is not None else now
    if then.count > now.count:
        return Service()
    return Service(now.count - then.count, now.seconds - then.seconds, now.waited - then.waited)
