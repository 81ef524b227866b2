"""A router explained: one of its places, what goes through it, and what of it is not as the record wants."""

from __future__ import annotations

from collections.abc import Iterator

from distctl.cluster.router import RouterSight, SlotState
from distctl.cluster.spec import RouterId, RouterSpec
from distctl.policy.explain.told import Explanation, Told, counted, listed, said_by, span
from distctl.policy.lives import Fate, Life
from distctl.policy.lost import sentence
from distctl.policy.standing import RouterStanding

LOST = 3  # requests that were lost of which it tells


def router(id: RouterId, told: Told) -> Explanation:
    """One place of a router of the file, or of one that left it and still runs."""
    spec = next((r for r in told.spec.routers if r.name == id.router and id.place in r.on), None)
    stands = next((found for found in told.standing.routers if found.id == id), None)
    if spec is None or stands is None:
        return _unknown(id, told)
    sight = told.snapshot.routers.get(id)
    seen = sight if sight is not None and sight.running else None
    return Explanation(
        "router",
        str(id),
        stands.state,
        tuple(_what(spec, id, stands, seen)),
        tuple(_why(id, stands, seen, told)),
        told.events,
        tuple(_change(id, stands, seen, told)),
    )


def _unknown(id: RouterId, told: Told) -> Explanation:
    what = "It has left the file; the record says that it runs, and no revision says how it was made."
    change = f"`distctl router stop {id}` ends it."
    return Explanation("router", str(id), "left the file", (what,), (), told.events, (change,))


def _what(spec: RouterSpec, id: RouterId, stands: RouterStanding, sight: RouterSight | None) -> Iterator[str]:
    ports = f"REST {spec.http_port}, gRPC {spec.grpc_port}, metrics {spec.metrics_port}"
    yield f"The HAProxy of router {id.router} on {id.place}; it listens on {spec.address} ({ports})."
    if spec.shared:
        yield f"Its places share the address {spec.shared.address}."
    if len(spec.on) > 1:
        yield f"It is one of {len(spec.on)} places: {listed(spec.on)}."
    if sight is not None:
        waiting = sum(sight.held.values())
        yield (
            f"{counted(stands.in_flight, 'request')} in flight, {waiting} held for a first server, "
            f"{stands.requests} sent on since its worker started."
        )


def _why(id: RouterId, stands: RouterStanding, sight: RouterSight | None, told: Told) -> Iterator[str]:
    if str(id) in told.left:
        yield "It has left the file, and runs on until `distctl up --prune`."
    yield from _meant(id, stands.fate, told)
    if sight is None:
        yield f"It is {stands.state}: {stands.reason}."
        return
    yield "It runs" + (", and ends with its last request." if sight.stopping else ".")
    yield from _differs(id, sight, told)
    yield from _slots(sight, told)
    for address in told.standing.addresses:
        if address.router == id.router:
            yield f"The address {address.address} is {address.state}" + (
                f": {address.reason}." if address.reason else "."
            )
    for lost in sight.lost[-LOST:]:
        yield f"{span(told.now - lost.at)} ago {sentence(lost)}."


def _meant(id: RouterId, fate: Fate, told: Told) -> Iterator[str]:
    intent = told.record.intents.get(str(id))
    if intent is not None:
        word = "Stopped" if intent.stopped else "Drained"
        yield f"{word} {said_by(intent.by, intent.why, intent.since, told.now)}."
    elif fate.life is not Life.RUN:
        yield f"It is not to run: {fate.why}."


def _differs(id: RouterId, sight: RouterSight, told: Told) -> Iterator[str]:
    wanted = told.configs.get(id, "")
    if wanted and sight.config != wanted:
        yield "Its configuration is not what the record and the file ask for now."
    if sight.outdated:
        yield f"Its HAProxy is another one than it should be: {sight.outdated}."
    if sight.old_workers:
        yield f"{counted(len(sight.old_workers), 'worker')} from before a reload still serve clients."


def _slots(sight: RouterSight, told: Told) -> Iterator[str]:
    """What it does with servers that the record wants otherwise, and whom it does not reach."""
    other, deaf = [], []
    for model, server, slot in sight.slots:
        replica = told.record.replica(server, model)
        wanted = replica.slot if replica else SlotState.OFF
        if slot.state is not wanted:
            other.append(f"{model} on {server} is {slot.state.value} and is to be {wanted.value}")
        elif slot.state is SlotState.READY and not slot.healthy:
            deaf.append(f"{model} on {server}" + (f" ({slot.check})" if slot.check else ""))
    if other:
        yield f"Slots that are not as the record wants them: {listed(other)}."
    if deaf:
        yield f"Its checks fail of {listed(deaf)}."


def _change(id: RouterId, stands: RouterStanding, sight: RouterSight | None, told: Told) -> Iterator[str]:
    if stands.fate.life is not Life.RUN:
        yield from _back(id, told)
        return
    differs = sight is not None and any(_differs(id, sight, told))
    if sight is None:
        healing = (
            "The controller starts it once it reaches its place" if told.led else "`distctl up` starts it"
        )
        yield f"{healing}; `distctl logs {id.router}` shows its last lines."
    elif differs:
        yield "`distctl plan` shows what differs, `distctl up` makes it so."
    else:
        yield f"Nothing has to; `distctl router drain {id}` ends it without losing a request."


def _back(id: RouterId, told: Told) -> Iterator[str]:
    if str(id) in told.record.intents:
        yield f"`distctl router undrain {id}` starts it again."
    else:
        yield f"`distctl router scale {id.router}=auto` lets it run on every place of the file."
