"""`doctor`: looks at each node, and from each router's place at each server, and says all that `up` would
stumble on in one list."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce

from distctl.app.looking import learnt_facts, new_facts
from distctl.app.needing import unknown_python
from distctl.app.pins import pin_images, pins
from distctl.app.reaching import try_ways
from distctl.app.session import Session
from distctl.cluster.image import Pinned
from distctl.cluster.record import Record, apply
from distctl.cluster.snapshot import NodeSight, Snapshot
from distctl.cluster.spec import Node, ServerId
from distctl.errors import DistctlError, Unreachable
from distctl.facts.doctor import verdicts
from distctl.facts.verdict import Level
from distctl.policy.addresses import unfit
from distctl.policy.assignment import mismatch
from distctl.policy.devices import divided, lost, with_servers, without_device
from distctl.policy.holders import address_standings
from distctl.policy.images import told
from distctl.policy.ports import router_ports_taken
from distctl.policy.reach import Way, remedy
from distctl.policy.reach import told as told_way


@dataclass(frozen=True, slots=True)
class Finding:
    """One verdict on one node. `level` is ok, warn or fail."""

    node: str
    level: str
    what: str
    remedy: str = ""
    unreachable: bool = False


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found at one node; `sight` is None when it could not be looked at or is none of ours."""

    findings: tuple[Finding, ...]
    sight: NodeSight | None = None


def examine(session: Session, names: Sequence[str]) -> list[Finding]:
    """Look at nodes side by side; findings in the inventory's order. Changes nothing."""
    record = session.store.load()
    session.remember(record)
    places = [n.name for n in session.own_place()]
    routed = {r.place for r in session.spec.router_ids}
    others = [name for name in routed if name not in names]
    with ThreadPoolExecutor(16, thread_name_prefix="doctor") as pool:
        order = [*names, *others]
        seen = dict(zip(order, pool.map(lambda name: _node(session, record, name), order), strict=True))
    sights = {name: found.sight for name, found in seen.items() if found.sight}
    record = reduce(apply, new_facts(record, Snapshot(session.clock.now(), nodes=sights)), record)
    session.remember(record)
    found = [finding for name in (*names, *places) for finding in seen[name].findings]
    found += _devices(session, record, [name for name in names if name in sights])
    found += _firewalls(session, names)
    session.needs.take_over(sights.values())
    found += [finding for name in names if name in sights for finding in _needs(session, sights[name])]
    found += _images(session, record, seen)
    found += _routers(session, seen)
    found += _addresses(session, seen)
    return found + _ways(session, names, seen)


def _firewalls(session: Session, names: Sequence[str]) -> list[Finding]:
    """How to close the servers' ports to all but the routers' places; we never touch a firewall ourselves."""
    from distctl.policy.firewall import allow_only

    addresses = {session.node(router.place).serve_address for router in session.spec.router_ids}
    nodes = [session.node(name) for name in names]
    lines = [(node, allow_only(node, addresses)) for node in nodes if not node.external]
    what = "the servers' ports are for the routers alone; to have the node itself see to it:"
    found = [Finding(node.name, Level.OK.value, what, line) for node, line in lines if line]
    return found + _peers(session, names)


def _peers(session: Session, names: Sequence[str]) -> list[Finding]:
    """The same for what several places of a router tell each other."""
    from distctl.policy.firewall import allow_peers

    found = []
    for router in (router for router in session.spec.routers if len(router.on) > 1):
        addresses = {session.node(place).serve_address for place in router.on}
        line = allow_peers(router.name, addresses, router.peers_port)
        what = f"port {router.peers_port} of router {router.name} is for its places alone, in clear text:"
        found += [Finding(p, Level.OK.value, what, line) for p in router.on if p in names]
    return found


def _node(session: Session, record: Record, name: str) -> Examined:
    node = session.node(name)
    if node.external:
        return Examined((Finding(name, "ok", "external: runs without us"),))
    if name in record.shut:
        on = f"`distctl power on {name}`, or wait until placement needs it"
        return Examined((Finding(name, "ok", record.powers[name].said, on),))
    try:
        session.connector(name).run("true", tried="connecting", deadline=node.timeouts.connect)
    except DistctlError as error:
        return Examined((_failed(record, name, error),))
    sight = session.world.node(name).look()
    if not sight.reachable:
        return Examined((Finding(name, "fail", sight.error, f"distctl exec {name} -- true", True),))
    return Examined(_verdicts(session, with_servers(node, learnt_facts(record, sight)), sight), sight)


def _failed(record: Record, name: str, error: DistctlError) -> Finding:
    """A node that cannot be connected to, which is no fault of one that is being turned on."""
    if not isinstance(error, Unreachable):
        return Finding(name, "fail", error.message, error.hint)
    if name in record.asleep:
        return Finding(name, "warn", f"{record.powers[name].said}; it does not answer yet", error.hint)
    return Finding(name, "fail", error.message, error.hint, unreachable=True)


def _verdicts(session: Session, node: Node, sight: NodeSight) -> tuple[Finding, ...]:
    """Verdicts on facts. What we put there ourselves is not in the way: a port of ours, a pushed runtime."""
    ours = {unit.process.pid for unit in sight.units.values() if unit.process}
    ports = {port for unit in sight.units.values() if unit.process for port in unit.ports}
    become = node.ssh.become is not None
    there = (
        bool(sight.runtimes)
        or str(session.parts.images.pinned(node.runtime.container.image).image) in sight.images
    )
    image = node.runtime.container.image if node.contained else ""
    found = verdicts(
        node, sight.facts, own_pids=ours, own_ports=ports, become=become, installed=there, image=image
    )
    return tuple(Finding(node.name, verdict.level.value, verdict.what, verdict.remedy) for verdict in found)


def _devices(session: Session, record: Record, names: Sequence[str]) -> list[Finding]:
    """Servers without the devices that they are to have, or with others."""
    found = []
    for node in (session.node(name) for name in names):
        facts = record.facts.get(node.name, {})
        listing = f"look at `distctl exec {node.name} -- nvidia-smi -L`"
        if why := without_device(node, facts):
            other = f"or write `servers: {{per: node}}` for {node.name}"
            found.append(Finding(node.name, Level.FAIL.value, why, f"{listing}, {other}"))
        other = f"or write `servers: {{gpus: ...}}` of {node.name} without it"
        found += [
            _of_server(Level.FAIL, id, why, f"{listing}, {other}") for id, why in lost(node, facts).items()
        ]
        part = f"write `servers: {{per: mig}}` for {node.name}, or switch MIG off there"
        found += [_of_server(Level.WARN, id, why, part) for id, why in divided(node, facts).items()]
    return found + _reported(session, record, names)


def _reported(session: Session, record: Record, names: Sequence[str]) -> list[Finding]:
    """What Tritons that run say of the GPUs that they see, where that is not what they were given."""
    given = {s.id: s for name in names for s in session.node(name).servers if s.gpus is not None}
    sights = session.world.probe(tuple(given.values()), {}) if given else {}
    wrong = {id: mismatch(given[id], s.gpus, record.facts.get(id.node, {})) for id, s in sights.items()}
    return [
        _of_server(
            Level.FAIL,
            id,
            why,
            f"start it anew: `distctl drain {id.node} --stop`, then `distctl undrain {id.node}`",
        )
        for id, why in wrong.items()
        if why
    ]


def _of_server(level: Level, server: ServerId, what: str, do: str) -> Finding:
    return Finding(server.node, level.value, f"{server}: {what}", do)


def _needs(session: Session, sight: NodeSight) -> list[Finding]:
    """Whether what the models of a node ask for can be had for its Python; what nodes hold already can."""
    node, found = session.node(sight.name), []
    for model in session.spec.models:
        try:
            if requirements := session.needs.requirements(model.name):
                if error := unknown_python(model, node):
                    raise error
                for target in session.needs.targets(model, [(node, sight.facts)]):
                    wheels = session.needs.environment(requirements, target).wheels
                    what = f"{model.name} needs {len(wheels)} wheels, which exist for {target.text}"
                    found.append(Finding(node.name, "ok", what))
        except DistctlError as error:
            found.append(Finding(node.name, "fail", f"{model.name}: {error.message}", error.hint))
    return found


def _images(session: Session, record: Record, seen: dict[str, Examined]) -> list[Finding]:
    """What the images of containers mean now, and whether their registries have them."""
    sights = {name: examined.sight for name, examined in seen.items() if examined.sight}
    pin_images(session, record, Snapshot(0.0, nodes=sights), fresh=True)
    return [_image(name, pinned) for name, pinned in pins(session).items() if name in sights]


def _image(node: str, pinned: Pinned) -> Finding:
    if pinned.missing:
        what = pinned.problem or f"{pinned.image} is not there, and no registry has it"
        return Finding(node, Level.FAIL.value, what, "correct `runtime.image`")
    if pinned.problem:
        remedy = "check `runtime.login`, and this machine's way to the registry"
        return Finding(node, Level.WARN.value, told(pinned), remedy)
    return Finding(node, Level.OK.value, told(pinned))


def _routers(session: Session, seen: dict[str, Examined]) -> list[Finding]:
    """Ports of routers that somebody else holds."""
    found = []
    for router in session.spec.router_ids:
        sight = seen[router.place].sight
        if sight is None or session.world.router(router).look().running:
            continue
        for taken in router_ports_taken(session.spec.router(router.router), router, sight.facts):
            what = f"port {taken.port} of {taken.what} is taken by {taken.holder}"
            remedy_ = f"stop it, or give router {router.router} other `ports`"
            found.append(Finding(router.place, Level.FAIL.value, what, remedy_))
    return found


def _addresses(session: Session, seen: dict[str, Examined]) -> list[Finding]:
    """Whether the places of routers can share their address, and whether one of them has it."""
    found, addresses = [], {}
    for router in session.spec.router_ids:
        shared, sight = session.spec.router(router.router).shared, seen[router.place].sight
        if shared is None or sight is None:
            continue
        if why := unfit(shared, router.place, sight.facts):
            what = f"{router} cannot share {shared.address}: {why.why}"
            found.append(Finding(router.place, Level.FAIL.value, what, why.remedy))
            continue
        addresses[router] = session.world.address(router).look()
        what = f"keepalived {sight.facts['keepalived']} can give {shared.address} to router {router}"
        found.append(Finding(router.place, Level.OK.value, what))
    return found + _holders(session, Snapshot(session.clock.now(), addresses=addresses))


def _holders(session: Session, snapshot: Snapshot) -> list[Finding]:
    """Addresses that several places have, or none although keepalived runs."""
    running = {id.router for id, sight in snapshot.addresses.items() if sight.running}
    remedy = "look at `distctl status` and at the log of keepalived's unit there"
    return [
        Finding(
            session.spec.router(one.router).on[0],
            Level.FAIL.value,
            f"{one.address} of router {one.router} is {one.state}: {one.reason}",
            remedy,
        )
        for one in address_standings(session.spec, snapshot)
        if not one.whole and (one.router in running or one.holders)
    ]


def _ways(session: Session, names: Sequence[str], seen: dict[str, Examined]) -> list[Finding]:
    """From each router's place to each server of these nodes, where both could be looked at."""
    wanted = [
        (router, server.id)
        for router in session.spec.router_ids
        for server in session.spec.servers
        if server.id.node in names
        and seen[router.place].sight is not None
        and (seen[server.id.node].sight is not None or session.node(server.id.node).external)
    ]
    return [_way(way) for way in try_ways(session, wanted)]


def _way(way: Way) -> Finding:
    if way.milliseconds is None:
        return Finding(way.server.node, Level.FAIL.value, told_way(way), remedy(way))
    what = f"router {way.router} reaches {way.server} at {way.endpoint} in {way.milliseconds:.1f} ms"
    return Finding(way.server.node, Level.OK.value, what)
