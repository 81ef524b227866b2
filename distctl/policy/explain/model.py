"""A model explained: how many replicas and why, where they are and why not elsewhere, how it fares."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from distctl.cluster.router import SlotState
from distctl.cluster.spec import Autoscale, ModelSpec, Server, ServerId
from distctl.config.units import show_duration
from distctl.policy.autoscale.schedule import bounds
from distctl.policy.counts import Count, count, said
from distctl.policy.explain.told import Explanation, Told, counted, listed, said_by, span
from distctl.policy.pace import Day, day, paces
from distctl.policy.placement import barred, place
from distctl.policy.standing import ModelStanding

SLOTS = {
    SlotState.READY: "takes requests",
    SlotState.DRAIN: "takes no new request",
    SlotState.OFF: "is not used yet, or no more",
}


def model(name: str, told: Told) -> Explanation:
    """One model of the file, or one that left it and is still placed somewhere."""
    spec = next((model for model in told.spec.models if model.name == name), None)
    if spec is None:
        return _left(name, told)
    stands = next(found for found in told.standing.models if found.name == name)
    number = count(spec, told.record.pins.get(name), told.record.sized.get(name))
    return Explanation(
        "model",
        name,
        stands.state,
        tuple(_what(spec, stands, told)),
        (*_counted(spec, number, told), *_placed(spec, number.number, told)),
        told.events,
        tuple(_change(spec, number, stands, told)),
        day(told.hours, name, told.now),
    )


def _left(name: str, told: Told) -> Explanation:
    where = listed(str(server) for server, model in sorted(told.record.places) if model == name)
    what = f"It has left the file, and is still on {where}."
    change = "`distctl up --prune` takes it away; a line of it under `models:` brings it back."
    return Explanation("model", name, "left the file", (what,), (), told.events, (change,))


# --- what it is -------------------------------------------------------------------------------------


def _what(spec: ModelSpec, stands: ModelStanding, told: Told) -> Iterator[str]:
    where = "the folder" if spec.source.kind == "folder" else "a path of the nodes' own,"
    yield f"A model from {where} {spec.source.path}."
    wanted = counted(stands.wanted, "replica")
    yield f"{wanted} wanted, {stands.ready} ready, {stands.serving} taking requests."
    yield _load(spec.name, stands, told)
    yield from _of_day(day(told.hours, spec.name, told.now), told)
    yield from _holding(spec, told)


def _load(name: str, stands: ModelStanding, told: Told) -> str:
    now = f"{counted(stands.in_flight, 'request')} in flight now and {stands.queued} queued"
    minutes = paces(told.loads).get(name, ())
    if not minutes:
        return f"{now}; the record has no load of the last hour."
    last, most = minutes[-1], max(minutes, key=lambda minute: minute.rate)
    return (
        f"{now}; {last.rate:.1f} requests a second {span(told.now - last.at)} ago, "
        f"at most {most.rate:.1f} within the last hour."
    )


def _of_day(found: Day | None, told: Told) -> Iterator[str]:
    if found is None:
        return
    most = f"at most {found.most:.1f} a second, {span(told.now - found.most_at)} ago"
    if found.node and len(told.spec.nodes) > 1:
        most += f"; the most on {found.node}, {found.node_requests:,}"
    yield f"In the last 24 hours: {found.requests:,} requests, {most}."


def _holding(spec: ModelSpec, told: Told) -> Iterator[str]:
    held = {
        str(id): sight.held.get(spec.name) for id, sight in told.snapshot.routers.items() if sight.running
    }
    waiting = sum(number or 0 for number in held.values())
    if waiting:
        yield f"{counted(waiting, 'request')} held for a first server."
    if spec.autoscale is None or not spec.autoscale.sleeps:
        return
    hold = spec.autoscale.hold
    without = [router for router, number in held.items() if number is None]
    yield (
        f"While no replica is there its requests are held, {hold.requests} in each router for "
        f"{show_duration(hold.time)} at most" + (f"; not by {listed(without)}." if without else ".")
    )


# --- why it is so -----------------------------------------------------------------------------------


def _counted(spec: ModelSpec, number: Count, told: Told) -> Iterator[str]:
    if told.record.taken_down:
        yield "The cluster is taken down: nothing is wanted of it until the next `distctl up`."
    since = f", decided {span(told.now - number.since)} ago" if number.since else ""
    yield f"{number.number}, because: {number.why}{since}."
    if number.pin:
        yield f"The pin was set {said_by(number.pin.by, number.pin.why, number.pin.since, told.now)}."
    if spec.autoscale is not None:
        yield from _bounded(spec.autoscale, number, told)
    sized = told.record.sized.get(spec.name)
    if sized and sized.asked > sized.count and number.pin is None:
        yield f"Demand asked for {sized.asked}."


def _bounded(scale: Autoscale, number: Count, told: Told) -> Iterator[str]:
    within = bounds(scale, told.now)
    by = f"the schedule {within.by}" if within.by else "the file"
    yield f"Demand decides between {within.min} and {within.max}, says {by}."
    if not told.led and number.pin is None:
        yield "No controller runs, so that the count follows no demand now."


def _placed(spec: ModelSpec, wanted: int, told: Told) -> Iterator[str]:
    """Each replica, and for the other servers why they have none: those alike in one sentence."""
    without = defaultdict[str, list[ServerId]](list)
    for node in told.spec.nodes:
        for server in node.servers:
            if (server.id, spec.name) in told.record.places:
                yield _replica(spec.name, server, told)
            else:
                without[barred(spec, node, server.id, told.ground)].append(server.id)
    free = without.pop("", [])
    for why, servers in without.items():
        yield f"Not on {listed(map(str, servers))}: {why}."
    yield from _room(spec, wanted, free, told)


def _replica(name: str, server: Server, told: Told) -> str:
    replica = told.record.places[server.id, name]
    symptom = told.evidence.symptom(server.id)
    sights = [router.slot(name, server.id) for router in told.snapshot.routers.values()]
    slots = [slot for slot in sights if slot is not None]
    busy = sum(slot.in_flight + slot.queued for slot in slots)
    deaf = sum(slot.state is SlotState.READY and not slot.healthy for slot in slots)
    bad = f", {counted(deaf, 'router')} not reaching it" if deaf else ""
    why = f" ({symptom.why})" if symptom.why else ""
    return f"On {server.id}: {symptom.state}{why}, {SLOTS[replica.slot]}{bad}, {busy} in flight."


def _room(spec: ModelSpec, wanted: int, free: list[ServerId], told: Told) -> Iterator[str]:
    if not free:
        return
    placed = sum(model == spec.name for _, model in told.record.places)
    if placed >= wanted:
        yield f"Not on {listed(map(str, free))}: it would fit there, and all that are wanted are placed."
    else:
        yield f"{wanted - placed} still to be placed; it would fit on {listed(map(str, free))}."


# --- what would change it ---------------------------------------------------------------------------


def _change(spec: ModelSpec, number: Count, stands: ModelStanding, told: Told) -> Iterator[str]:
    yield from _short(spec, stands, told)
    if number.pin is not None:
        yield f"`distctl scale {spec.name}=auto` ends the pin: the file says {said(spec)}."
        return
    if spec.autoscale is not None:
        if number.number == 0:
            yield "The first request wakes it." if told.led else "A controller would wake it for a request."
        yield f"Demand, within {said(spec)}; `distctl scale {spec.name}=N` pins a count instead."
        return
    yield (
        f"`distctl scale {spec.name}=N` pins another count, as do `replicas` in the file and `distctl up`."
    )


def _short(spec: ModelSpec, stands: ModelStanding, told: Told) -> Iterator[str]:
    """What stands in the way of a model that has fewer than it is meant to have."""
    wanted = {found.name: found.wanted for found in told.standing.models}
    for shortage in place(told.spec, wanted, told.ground).shortages:
        if shortage.model == spec.name:
            yield (
                f"{shortage.placed} of {shortage.wanted} can be placed ({shortage.why}): a further server "
                "that fits, or one that is open again, would take more."
            )
            return
    if stands.serving < stands.wanted:
        yield "What is missing is placed already: it serves once its servers above do."
