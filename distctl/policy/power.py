"""Which nodes are turned off because they serve nothing, and on because placement lacks room.

A node goes off once nothing was placed there for `idle_for` and all that is wanted has as much room without
it. On go the fewest that give room: what was turned off last comes first; one that did not come within `boot`
waits ever longer, and the next is taken. Between on and off lies at least `idle_for`, from off to on a need.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from distctl.cluster.power import CONTROLLER, Power, PowerSpec, PowerState
from distctl.cluster.record import AddEvent, Change, Event, Record, SetPower
from distctl.cluster.router import SlotState
from distctl.cluster.snapshot import Instant, ModelState, ServerSight, Silence
from distctl.cluster.spec import Node, ServerId
from distctl.policy.counts import counts
from distctl.policy.decision import Decision, Seen
from distctl.policy.placement import Ground, Shortage, place
from distctl.policy.symptoms import Kind
from distctl.policy.wish import ground_of

SURE = 3.0  # seconds for which a machine must be silent, or answer, until that is believed
LIMIT = 120.0  # seconds from the command to silence: systemd gives a unit 90 s to stop
LOOK = 5.0  # seconds between two passes for a machine that answers and whose servers do not yet
BLIND = 20.0  # the same for one that does not answer: where only ssh reaches it
LONGEST = 3600.0  # seconds between two tries to turn one on at most
SPEAKS = (Silence.REFUSED, Silence.MUTE)  # nobody serves, and the machine is there


@dataclass(frozen=True, slots=True)
class Idleness:
    """What this policy remembers, by node.

    `idle`: since when it serves nothing; `turned`: since when it is seen to be what the record does not say;
    `passed`: when a pass for it was asked for last.
    """

    idle: Mapping[str, Instant] = field(default_factory=dict)
    turned: Mapping[str, Instant] = field(default_factory=dict)
    passed: Mapping[str, Instant] = field(default_factory=dict)


def power(before: Idleness, seen: Seen) -> tuple[Idleness, list[Decision], list[Change]]:
    """What is turned off and on now, and what was found to be so. Pure; called for each look."""
    ours = {node.name: spec for node in seen.spec.nodes if (spec := node.power)}
    nodes = [node for node in seen.spec.nodes if node.name in ours or node.name in seen.record.powers]
    if not nodes:
        return Idleness(), [], []
    found = {node.name: _found(node, seen) for node in nodes}
    turned = {n: before.turned.get(n, seen.now) for n, power in found.items() if power}
    news = [c for n, power in found.items() if power and _sure(power, turned[n], seen) for c in _told(power)]
    news += [SetPower(Power(n, since=seen.now)) for n in ours if n not in seen.record.powers]
    idle = {n.name: before.idle.get(n.name, seen.now) for n in nodes if n.name in ours and not busy(n, seen)}
    after = replace(before, idle=idle, turned=turned)
    if seen.busy or news:
        return after, [], news
    missing = _short(seen, seen.record.shut)
    decisions = [*_on(seen, ours, missing), *_off(seen, ours, idle, missing)]
    looks = list(_looks(before, seen, nodes))
    passed = {**before.passed, **dict.fromkeys((look.subject for look in looks), seen.now)}
    return replace(after, passed=passed), [*decisions, *looks], []


def stands(decision: Decision, record: Record) -> bool:
    """Whether a decision still holds for the record that is read under the lease: somebody may have been
    quicker. Where something was placed meanwhile, or an operator spoke of the node, it is not turned off."""
    powers = [change.power for change in decision.changes if isinstance(change, SetPower)]
    return all(_stands(power, record) for power in powers)


def _stands(power: Power, record: Record) -> bool:
    known = record.powers.get(power.node)
    expected = PowerState.ON if power.state is PowerState.STOPPING else PowerState.OFF
    if known is None or known.state is not expected:
        return False
    return power.node not in record.intents and (
        power.state is PowerState.BOOTING or not placed_on(record, power.node)
    )


def placed_on(record: Record, node: str) -> str:
    """Why the record alone forbids to turn a node off, "" when nothing does."""
    if models := sorted({r.model for r in record.replicas if r.server.node == node}):
        return f"{', '.join(models)} is placed there"
    if router := next((r for r in sorted(record.routers) if r.place == node), None):
        return f"the router {router} runs there"
    return ""


# --- what is seen --------------------------------------------------------------------------------------


def _sights(node: Node, seen: Seen) -> list[ServerSight]:
    return [sight for server in node.servers if (sight := seen.snapshot.servers.get(server.id))]


def _answers(node: Node, seen: Seen) -> bool:
    """Whether its machine is there, whatever its servers say."""
    return any(sight.live or sight.silence in SPEAKS for sight in _sights(node, seen))


def _live(node: Node, seen: Seen) -> bool:
    return any(sight.live for sight in _sights(node, seen))


def _found(node: Node, seen: Seen) -> Power | None:
    """What a node's power is by what is seen of it, when the record says something else."""
    power = seen.record.powers.get(node.name)
    if power is None or power.state is PowerState.ON:
        return None
    if node.power is None:
        return _turned(power, PowerState.ON, "the inventory has no `power` for it any more", seen)
    took = seen.now - power.since
    if power.state is PowerState.BOOTING:
        return _coming(node, node.power, power, seen, took)
    if power.state is PowerState.STOPPING:
        return _going(node, power, seen, took)
    live = _live(node, seen)
    return _turned(power, PowerState.ON, "it answers: not turned on by us", seen) if live else None


def _going(node: Node, power: Power, seen: Seen, took: float) -> Power | None:
    if not _answers(node, seen):
        return power.turned(PowerState.OFF, seen.now, power.why, power.by, tries=power.tries)
    if took > LIMIT:
        return _turned(power, PowerState.ON, f"it did not go off within {took:.0f} s", seen)
    return None


def _coming(node: Node, spec: PowerSpec, power: Power, seen: Seen, took: float) -> Power | None:
    """One whose machine answers in the end is on: why its servers do not is healing's question."""
    if _live(node, seen) or (took > spec.boot and _answers(node, seen)):
        return _turned(power, PowerState.ON, f"it came {took:.0f} s after it was turned on", seen)
    if took > spec.boot:
        tries = power.tries + 1
        why = f"it did not come within {took:.0f} s; try {tries}"
        return _turned(power, PowerState.OFF, why, seen, tries=tries)
    return None


def _turned(power: Power, state: PowerState, why: str, seen: Seen, *, tries: int = 0) -> Power:
    return power.turned(state, seen.now, why, CONTROLLER, tries=tries)


def _sure(power: Power, since: Instant, seen: Seen) -> bool:
    """One that boots is believed at once: it was awaited, or its time is over."""
    state = seen.record.powers[power.node].state
    return state is PowerState.BOOTING or seen.now - since >= SURE


def _told(power: Power) -> Iterator[Change]:
    yield SetPower(power)
    text = f"{power.node} is {power.state.value}: {power.why}"
    yield AddEvent(Event(power.since, "power", power.node, text, power.by))


# --- who goes off --------------------------------------------------------------------------------------


def busy(node: Node, seen: Seen) -> str:
    """Why a node is not idle, "" when it is. What cannot be asked is no proof of idleness."""
    record = seen.record
    if why := placed_on(record, node.name):
        return why
    if node.name in record.intents:
        return "an operator has spoken of it"
    if node.name not in record.known:
        return "it was not set up yet"
    if router := next((r for r in seen.spec.router_ids if r.place == node.name), None):
        return f"the router {router} is meant to run there"
    if any(
        r.state in (ModelState.READY, ModelState.LOADING)
        for s in _sights(node, seen)
        for r in s.replicas.values()
    ):
        return "a model is loaded there"
    return _routed(node, seen)


def _routed(node: Node, seen: Seen) -> str:
    """Whether any router may still send something there."""
    servers = {server.id for server in node.servers}
    for router in sorted({*seen.record.routers, *seen.spec.router_ids}):
        sight = seen.snapshot.routers.get(router)
        if sight is None or sight.error:
            return f"the router {router} cannot be asked"
        for _, server, slot in sight.slots:
            if server in servers and (slot.state is not SlotState.OFF or slot.in_flight or slot.queued):
                return f"the router {router} may send there"
    return ""


def _off(
    seen: Seen, ours: Mapping[str, PowerSpec], idle: Mapping[str, Instant], missing: tuple[Shortage, ...]
) -> Iterator[Decision]:
    """Those that were idle for long, as far as everything that is wanted has as much room without them."""
    shut = seen.record.shut
    for name, since in idle.items():
        power = seen.record.powers.get(name)
        if power is None or power.state is not PowerState.ON:
            continue
        lasted = seen.now - max(since, power.since)
        without = shut | {name}
        if lasted >= ours[name].idle_for and _lacking(_short(seen, without)) <= _lacking(missing):
            shut = without
            why = f"idle: it has served nothing for {lasted:.0f} s"
            yield _turn(power, PowerState.STOPPING, why, seen)


def _turn(power: Power, state: PowerState, why: str, seen: Seen) -> Decision:
    turned = _turned(power, state, why, seen, tries=power.tries)
    return Decision(power.node, f"{state.value} {power.node}: {why}", (SetPower(turned),))


# --- who comes on --------------------------------------------------------------------------------------


def _on(seen: Seen, ours: Mapping[str, PowerSpec], missing: tuple[Shortage, ...]) -> Iterator[Decision]:
    """The fewest that give room, one after the other; those that give none stay off."""
    shut, short = seen.record.shut, missing
    for power in _candidates(seen, ours) if missing else ():
        left = _short(seen, shut - {power.node})
        if _lacking(left) < _lacking(short):
            why = "; ".join(f"{s.model}: {s.placed} of {s.wanted} replicas have room" for s in short)
            yield _turn(power, PowerState.BOOTING, why, seen)
            shut, short = shut - {power.node}, left


def _candidates(seen: Seen, ours: Mapping[str, PowerSpec]) -> list[Power]:
    """Those that may be turned on now: what failed least, then what was used last."""
    off = [seen.record.powers[n] for n in ours if n in seen.record.shut and n not in seen.record.intents]
    due = [p for p in off if p.state is PowerState.OFF and seen.now >= p.since + _rest(p, ours[p.node])]
    return sorted(due, key=lambda p: (p.tries, -p.since, p.node))


def _rest(power: Power, spec: PowerSpec) -> float:
    """Seconds until one that failed is tried again: its boot time, doubled each time."""
    return min(LONGEST, spec.boot * 2.0 ** min(power.tries - 1, 16)) if power.tries else 0.0


def _short(seen: Seen, shut: frozenset[str]) -> tuple[Shortage, ...]:
    """What would have no room with these nodes off. What boots counts as room already."""
    numbers = counts(seen.spec, seen.record.pins, seen.record.sized)
    wanted = {name: count.number for name, count in numbers.items()}
    return place(seen.spec, wanted, _ground(seen, shut)).shortages


def _ground(seen: Seen, shut: frozenset[str]) -> Ground:
    """What placement finds with these nodes off. What is on servers that are gone needs room elsewhere."""
    away = {s for s, h in seen.record.health.items() if h.state in (Kind.UNREACHABLE.value, Kind.GONE.value)}
    coming = {n for n, power in seen.record.powers.items() if power.state is not PowerState.ON}
    lost = frozenset(n.name for n in seen.spec.nodes if n.name not in coming and _away(n, away))
    ground = ground_of(seen.spec, seen.record, seen.snapshot)
    held = frozenset(p for p in ground.existing if p[0] not in ground.gone)
    return replace(ground, existing=held, unreachable=lost, off=shut)


def _away(node: Node, away: set[ServerId]) -> bool:
    return bool(node.servers) and all(server.id in away for server in node.servers)


def _lacking(shortages: tuple[Shortage, ...]) -> int:
    return sum(shortage.wanted - shortage.placed for shortage in shortages)


def _looks(before: Idleness, seen: Seen, nodes: list[Node]) -> Iterator[Decision]:
    """Passes for nodes that were turned on: they are set up as soon as they can be reached."""
    for node in nodes:
        power = seen.record.powers.get(node.name)
        if power is None or power.state is not PowerState.BOOTING:
            continue
        answers = _answers(node, seen)
        last = max(before.passed.get(node.name, 0.0), power.since)
        if seen.now - last >= (LOOK if answers else BLIND):
            said = "answers and is set up" if answers else "is looked for"
            yield Decision(
                node.name, f"{node.name} {said}, {seen.now - power.since:.0f} s after it was turned on"
            )
