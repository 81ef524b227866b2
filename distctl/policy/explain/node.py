"""A node and a server explained: what was said of them, how they are, what is done about it."""

from __future__ import annotations

from collections.abc import Iterator

from distctl.cluster.gpu import Gpu
from distctl.cluster.record import PowerState
from distctl.cluster.spec import Node, RuntimeKind
from distctl.policy.explain.healed import healed
from distctl.policy.explain.told import Explanation, Told, counted, listed, said_by, span
from distctl.policy.gpu_trouble import trouble
from distctl.policy.health import remembered
from distctl.policy.standing import NodeStanding, ServerStanding
from distctl.policy.symptoms import Kind, Symptom, unit_of

GIB = 1024**3
WELL = (Kind.READY, Kind.UNKNOWN)
RUNS = {
    RuntimeKind.BINARY: "processes of its own",
    RuntimeKind.CONTAINER: "containers",
    RuntimeKind.EXTERNAL: "servers that run without us",
}


def node(name: str, told: Told) -> Explanation:
    """One node of the file, or one that left it."""
    stands = next(found for found in told.standing.nodes if found.node.name == name)
    return Explanation(
        "node",
        name,
        stands.state,
        (*_what(stands.node), *_gpus(stands)),
        (*_said(stands, told), *(text for one in _up(stands) for text in _server(one, stands.node, told))),
        told.events,
        tuple(_change(stands, _up(stands), told)),
    )


def _up(stands: NodeStanding) -> tuple[ServerStanding, ...]:
    """The servers that are meant to answer: none of a node that is off on purpose."""
    return () if stands.power and stands.power.shut else stands.servers


def server(name: str, told: Told) -> Explanation:
    """One server of a node, as `n1/0`."""
    for stands in told.standing.nodes:
        for one in stands.servers:
            if str(one.server.id) == name:
                return Explanation(
                    "server",
                    name,
                    one.state,
                    tuple(_ports(one, stands.node)),
                    (*_said(stands, told), *_server(one, stands.node, told)),
                    told.events,
                    tuple(_change(stands, (one,), told)),
                )
    raise KeyError(name)


# --- what it is -------------------------------------------------------------------------------------


def _what(node: Node) -> Iterator[str]:
    by = "by ssh" if node.connection.value == "ssh" else "without ssh: it is this machine"
    labels = ", ".join(f"{key}={value}" for key, value in sorted(node.labels.items()))
    yield f"A machine at {node.address}, reached {by}" + (f"; its labels: {labels}." if labels else ".")
    if not node.serves:
        yield "It carries routers only."
        return
    runtime = node.runtime
    image = f" of {runtime.container.image}" if runtime.kind is RuntimeKind.CONTAINER else ""
    path = f" from {runtime.path}" if runtime.path else ""
    yield f"It has {counted(len(node.servers), 'server')}, run as {RUNS[runtime.kind]}{image}{path}."


def _gpus(stands: NodeStanding) -> Iterator[str]:
    for gpu in stands.gpus:
        memory = f", {gpu.memory / GIB:.0f} GiB" if gpu.memory else ""
        yield f"GPU {gpu.index}: {gpu.name or gpu.uuid}{memory}{_complaint(gpu)}."


def _complaint(gpu: Gpu) -> str:
    return f": {gpu.complaint}" if gpu.complaint else ""


def _ports(one: ServerStanding, node: Node) -> Iterator[str]:
    server = one.server
    gpus = f", with {one.gpus}" if one.gpus else ""
    yield (
        f"A Triton of node {node.name}: REST {server.http}, gRPC {server.grpc}, "
        f"metrics {server.metrics}{gpus}."
    )
    yield f"It has {listed(one.ready) or 'no model'}; {counted(one.in_flight, 'request')} in flight there."


# --- why it is so -----------------------------------------------------------------------------------


def _said(stands: NodeStanding, told: Told) -> Iterator[str]:
    """What people and its own machine say of a node."""
    name, intent = stands.node.name, stands.intent
    if told.record.taken_down:
        yield "The cluster is taken down, until the next `distctl up`."
    if name in told.left:
        yield "It has left the file: nothing new comes there, and `distctl up --prune` takes it away."
    if intent is not None:
        word = "Drained" if intent.draining else "Cordoned"
        yield f"{word} {said_by(intent.by, intent.why, intent.since, told.now)}."
        if intent.draining:
            yield (
                "No router sends it anything new, and nothing is in flight there."
                if stands.released
                else f"Being emptied: {counted(stands.in_flight, 'request')} in flight."
            )
    yield from _power(stands, told)
    sight = told.snapshot.nodes.get(name)
    if sight is not None and not sight.reachable and not stands.node.external:
        yield f"The machine itself is not reached: {sight.error}."
    if not stands.servers and stands.reason:
        yield f"It has no server: {stands.reason}."
    if said := trouble(stands.node, told.record.facts.get(name, {})):
        yield f"Its driver gave a GPU up: {said}."


def _power(stands: NodeStanding, told: Told) -> Iterator[str]:
    """How a node that is turned off and on stands, and what that has saved."""
    power = stands.power
    if power is None:
        return
    by = f" by {power.by}" if power.by else ""
    why = f": {power.why}" if power.why else ""
    if power.state is not PowerState.ON:
        yield f"It has been {power.state.value} for {span(told.now - power.since)}{by}{why}."
    yield f"In all it was on for {span(power.used)} and off for {span(power.saved)}."


def _server(one: ServerStanding, node: Node, told: Told) -> Iterator[str]:
    """How one server is: by what was held of it, by what is seen now, and what is done about it."""
    id, seen = one.server.id, told.evidence.symptom(one.server.id)
    health = told.held(id)
    held = remembered(health).symptom if health else None
    if health is not None and held is not None and held.state == seen.state:
        yield f"{id} has been {seen.state} for {span(told.now - health.since)}{_because(held)}."
    else:
        yield f"{id} is {seen.state} now{_because(seen)}."
    if health is not None and held is not None and held.state != seen.state:
        since = span(told.now - health.since)
        yield f"The controller holds it for {health.state}, for {since}{_because(held)}."
    if one.missing and seen.kind in WELL:
        yield f"Placed on {id} and not ready: {listed(one.missing)}."
    if lost := told.sights.lost.get(id):
        yield f"{id} is without its GPU: {lost}."
    unit = unit_of(id, told.snapshot)
    if unit is not None and unit.restarts:
        yield f"Its supervisor started {id} {unit.restarts} times since it last ran for half a minute."
    if not node.external and _ill(one, told):
        yield from healed(str(id), told)


def _because(symptom: Symptom) -> str:
    return f": {symptom.why}" if symptom.why else ""


def _ill(one: ServerStanding, told: Told) -> bool:
    """Whether what is held or seen of a server is anything else than well."""
    health = told.held(one.server.id)
    held = remembered(health).kind if health else Kind.UNKNOWN
    return held not in WELL or told.evidence.symptom(one.server.id).kind not in WELL


# --- what would change it ---------------------------------------------------------------------------


def _change(stands: NodeStanding, servers: tuple[ServerStanding, ...], told: Told) -> Iterator[str]:
    name = stands.node.name
    if stands.intent is not None:
        yield f"`distctl undrain {name}` brings it into use again."
    if stands.power is not None and stands.power.shut:
        again = "The controller turns it on when placement needs it" if told.led else "No controller runs"
        yield f"{again}; `distctl power on {name}` does it now."
        return
    ill = [one for one in servers if _ill(one, told)]
    for one in ill:
        yield _remedy(one, stands.node, told)
    if any(gpu.complaint for gpu in stands.gpus):
        yield f"`distctl doctor --limit {name}` says what is to be done about its GPUs."
    if not ill and stands.intent is None:
        yield f"Nothing has to; `distctl drain {name}` takes it out of use without losing a request."


def _remedy(one: ServerStanding, node: Node, told: Told) -> str:
    """What would bring one server back."""
    id, health = str(one.server.id), told.held(one.server.id)
    held = remembered(health).kind if health else Kind.UNKNOWN
    seen = told.evidence.symptom(one.server.id).kind
    if node.external:
        return f"{id} runs without us: whoever runs it has to look after it."
    kind = Kind.GONE if held is Kind.GONE else held if seen in WELL else seen
    again = "the controller" if told.led else "`distctl up`"
    return f"{id} {REMEDIES[kind].format(id=id, again=again, after=_placed_elsewhere(told))}"


REMEDIES = {
    Kind.UNKNOWN: "was not asked yet.",
    Kind.READY: "is well.",
    Kind.STARTING: "becomes ready by itself, or `distctl logs {id}` shows why not.",
    Kind.LOADING: "becomes ready by itself, or `distctl logs {id}` shows why not.",
    Kind.WITHOUT: "is given what is missing by {again}; `distctl logs {id}` shows why it did not load.",
    Kind.HUNG: "is killed and started by {again}; `distctl logs {id}` shows its last lines.",
    Kind.DEAD: "is started by its supervisor where it ended by itself, else by {again}: `distctl logs {id}`.",
    Kind.CRASH_LOOP: "is started again all the while; `distctl logs {id}` shows why it ends.",
    Kind.UNREACHABLE: "is used again as soon as it answers; {after}.",
    Kind.GONE: "is used again as soon as it answers ready; its replicas were placed elsewhere meanwhile.",
}


def _placed_elsewhere(told: Told) -> str:
    after = told.spec.healing.reschedule_after
    if after is None or not told.led:
        return "its replicas stay where they are until then"
    return f"after {span(after)} away its replicas are placed elsewhere"
