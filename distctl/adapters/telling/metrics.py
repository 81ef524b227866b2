"""What a controller knows as metrics, in OpenMetrics or Prometheus's older text.

Labels are names of nodes, servers, models and routers, and words of short lists: nothing that a stranger
can make many of, and no sentence. Names follow https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client import exposition
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)

from distctl.adapters.telling.tally import Tally, tallied
from distctl.cluster.record import Record
from distctl.cluster.spec import ModelSpec, Node, RouterId, ServerId, Spec
from distctl.policy.counts import counts
from distctl.policy.decision import Seen
from distctl.policy.healing import Ward
from distctl.policy.lives import Life, fates
from distctl.policy.outlook import Outlook
from distctl.policy.standing import ModelStanding, standing
from distctl.policy.symptoms import Kind

OPENMETRICS = "application/openmetrics-text"
ROUTERS_ONLY = "routers only"
STOPPED = "stopped"  # nobody wants it to run now
STATES = (STOPPED, *(kind.value for kind in Kind))  # of servers; the later, the graver

Rows = Iterable[tuple[Sequence[str], float]]


def rendered(outlook: Outlook, accept: str) -> tuple[str, bytes]:
    """Content type and text, in the form that `accept` (the header of a request) asks for."""
    asked = f"{OPENMETRICS}; version=1.0.0" if OPENMETRICS in accept else ""
    encode, kind = exposition.choose_encoder(asked)
    return kind, encode(Families(outlook))


class Families:
    """Fulfils the library's Collector: a registry of its own, made of one outlook."""

    def __init__(self, outlook: Outlook) -> None:
        self._outlook = outlook

    def collect(self) -> Iterator[Metric]:
        """Every family; of the cluster only while this controller leads and has looked."""
        yield from _controller(self._outlook)
        if (seen := self._outlook.seen) is not None:
            tally = tallied(seen.snapshot)
            yield from _health(self._outlook.ward, seen)
            yield from _power(seen)
            yield from _servers(seen.spec, tally)
            yield from _models(seen, tally)
            yield from _routers(seen)


def _gauge(name: str, words: str, labels: Sequence[str], rows: Rows) -> Metric:
    return _filled(GaugeMetricFamily(f"distctl_{name}", words, labels=labels), rows)


def _counter(name: str, words: str, labels: Sequence[str], rows: Rows) -> Metric:
    return _filled(CounterMetricFamily(f"distctl_{name}", words, labels=labels), rows)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, rows: Rows) -> Metric:
    for values, number in rows:
        family.add_metric(values, number)
    return family


def _controller(outlook: Outlook) -> Iterator[Metric]:
    passes = outlook.passes
    yield _gauge(
        "controller_leading",
        "1 for the controller that leads, 0 for one that stands by or cannot reach the record.",
        (),
        [((), outlook.leads)],
    )
    words = "1 while the controller can read and write the record, 0 while it cannot."
    yield _gauge("controller_record_usable", words, (), [((), not outlook.lost)])
    yield _gauge("controller_passing", "1 while a pass is under way.", (), [((), outlook.begun is not None)])
    ends = {"done": passes.done, "failed": passes.failed}
    rows = [((end,), number) for end, number in ends.items()]
    yield _counter(
        "controller_passes", "Passes that ended, by how: failed is not all done.", ["result"], rows
    )
    summary = SummaryMetricFamily("distctl_controller_pass_seconds", "Seconds that passes took.")
    summary.add_metric((), passes.done + passes.failed, passes.seconds)
    yield summary
    decided = [((kind,), number) for kind, number in outlook.decisions.items()]
    yield _counter("controller_decisions", "Decisions to make a pass, by kind.", ["kind"], decided)
    if outlook.seen is not None:
        yield _gauge(
            "controller_last_look_timestamp_seconds",
            "When the cluster was last looked at, in seconds since the epoch.",
            (),
            [((), outlook.seen.now)],
        )


def _health(ward: Ward, seen: Seen) -> Iterator[Metric]:
    states = {server.id: _state(ward, server.id) for server in seen.spec.servers}
    held = [((), bool(ward.held))]
    yield _gauge("healing_held", "1 while too much turned bad at once, so that nothing is healed.", (), held)
    by_state = Counter(states.values())
    rows = [((state,), by_state[state]) for state in STATES]
    yield _gauge("servers", "Number of servers, by the verdict on them.", ["state"], rows)
    each = [((*_named(id), state), 1) for id, state in states.items()]
    labels = ["node", "server", "state"]
    yield _gauge("server_state", "1 for the verdict on a server that holds now.", labels, each)
    nodes = Counter(_node_state(node, states) for node in seen.spec.nodes)
    yield _gauge(
        "nodes",
        "Number of nodes, by the gravest verdict on their servers.",
        ["state"],
        [((state,), nodes[state]) for state in (*STATES, ROUTERS_ONLY)],
    )
    yield _gauge("nodes_closed", "Number of nodes that get no new replica or request.", ["by"], _closed(seen))


def _state(ward: Ward, server: ServerId) -> str:
    verdict = ward.servers.get(server)
    return verdict.kind.value if verdict else STOPPED


def _node_state(node: Node, states: dict[ServerId, str]) -> str:
    found = [states[server.id] for server in node.servers]
    return max(found, key=STATES.index) if found else ROUTERS_ONLY


def _closed(seen: Seen) -> Rows:
    names = {node.name for node in seen.spec.nodes}
    intents = [intent for name, intent in seen.record.intents.items() if name in names]
    draining = sum(intent.draining for intent in intents)
    cordoned = sum(intent.cordoned and not intent.draining for intent in intents)
    return [(("cordon",), cordoned), (("drain",), draining)]


def _power(seen: Seen) -> Iterator[Metric]:
    """Of nodes that are turned off and on; none elsewhere."""
    powers = [power.counted(seen.now) for _, power in sorted(seen.record.powers.items())]
    states = [((power.node, power.state.value), 1.0) for power in powers]
    yield _gauge("node_power", "1 for the state that a node's power is in.", ["node", "state"], states)
    used = [((power.node,), power.used) for power in powers]
    yield _counter("node_on_seconds", "Seconds that a node was on.", ["node"], used)
    saved = [((power.node,), power.saved) for power in powers]
    yield _counter("node_off_seconds", "Seconds that a node was off on purpose.", ["node"], saved)


def _named(server: ServerId) -> tuple[str, str]:
    return server.node, str(server)


def _servers(spec: Spec, tally: Tally) -> Iterator[Metric]:
    names = {str(server.id): _named(server.id) for server in spec.servers}
    labels = ["node", "server"]
    now = (("in_flight", tally.in_flight, "are answered"), ("queued", tally.queued, "wait in routers for it"))
    for name, numbers, what in now:
        rows = [(values, numbers[one]) for one, values in names.items()]
        yield _gauge(f"server_requests_{name}", f"Requests that {what} now, over all routers.", labels, rows)
    words = "Requests that a router sent to a server since the router's worker began."
    yield _counter("server_requests", words, [*labels, "router"], _answered(tally, names))


def _answered(tally: Tally, names: Mapping[str, tuple[str, ...]]) -> Rows:
    """A counter for each router, since each begins anew by itself."""
    answered = tally.answered.items()
    return [((*names[one], router), number) for (one, router), number in answered if one in names]


def _models(seen: Seen, tally: Tally) -> Iterator[Metric]:
    found = standing(seen.spec, seen.record, seen.snapshot).models
    by_model: Sequence[tuple[str, str, Rows]] = [
        ("replicas_wanted", "Replicas that are wanted.", _each(found, "wanted")),
        ("replicas_ready", "Replicas that are loaded and ready.", _each(found, "ready")),
        ("replicas_serving", "Replicas that every router sends requests to.", _each(found, "serving")),
        ("requests_in_flight", "Requests that servers answer now.", _each(found, "in_flight")),
        ("requests_queued", "Requests that wait in routers for a free server.", _each(found, "queued")),
        (
            "requests_held",
            "Requests that wait in routers for a first server.",
            [((m.name,), tally.held[m.name]) for m in found],
        ),
    ]
    for name, words, rows in by_model:
        yield _gauge(f"model_{name}", words, ["model"], rows)
    words = "Requests that a router sent to servers since the router's worker began."
    answered = _answered(tally, {m.name: (m.name,) for m in found})
    yield _counter("model_requests", words, ["model", "router"], answered)
    yield from _sizes(seen.spec, seen.record)


def _each(found: Iterable[ModelStanding], field: str) -> Rows:
    return [((m.name,), getattr(m, field)) for m in found]


def _sizes(spec: Spec, record: Record) -> Iterator[Metric]:
    """Who decided the counts; for those that follow demand also the bounds, and what demand asks for."""
    numbers = counts(spec, record.pins, record.sized)
    deciders = [
        ((name, "pin" if n.pin else "demand" if n.since else "file"), 1.0) for name, n in numbers.items()
    ]
    yield _gauge(
        "model_replicas_decided", "1 for who decided how many are wanted.", ["model", "by"], deciders
    )
    scaled = [model for model in spec.models if model.autoscale]
    yield _gauge(
        "model_replicas_min", "The fewest that demand may ask for.", ["model"], _bound(scaled, "min")
    )
    yield _gauge("model_replicas_max", "The most that demand may ask for.", ["model"], _bound(scaled, "max"))
    asked = [
        ((model.name,), record.sized[model.name].asked) for model in scaled if model.name in record.sized
    ]
    words = "Replicas that demand asks for; more than are wanted where no more can be placed."
    yield _gauge("model_replicas_asked", words, ["model"], asked)


def _bound(scaled: Iterable[ModelSpec], which: str) -> Rows:
    return [((model.name,), getattr(model.autoscale, which)) for model in scaled]


def _routers(seen: Seen) -> Iterator[Metric]:
    lives = fates(seen.spec, seen.record)
    sights = {router: seen.snapshot.routers.get(router) for router in seen.spec.router_ids}
    running = {router: bool(sight and sight.running and not sight.error) for router, sight in sights.items()}
    wanted = {router: lives[router].life is Life.RUN for router in sights}
    told: Sequence[tuple[str, str, dict[RouterId, float]]] = [
        ("wanted", "1 for a router that is meant to run, 0 for one that is drained or stopped.", {**wanted}),
        ("running", "1 for a router that answers to the controller and runs.", {**running}),
        (
            "requests_open",
            "Requests that are in flight or wait in a router.",
            {router: sight.busy for router, sight in sights.items() if sight},
        ),
    ]
    for name, words, numbers in told:
        rows = [((str(router),), number) for router, number in numbers.items()]
        yield _gauge(f"router_{name}", words, ["router"], rows)
