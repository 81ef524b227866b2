"""An operator at work on the fake cluster: the real way from a wish to a changed cluster, all in memory.

`Operator` is one process of distctl after the other. What a real session asks of adapters (digests of
runtimes and start scripts, ways between machines) is answered here; everything else is the real code. The
clients' promise is asked after every change, see `Promise`.
"""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from distctl.adapters.images import Images
from distctl.app.change import (
    Manner,
    Prepared,
    carry_intents,
    carry_out,
    prepare,
    with_changes,
    write_revision,
)
from distctl.app.contents import Contents
from distctl.app.leasing import leased
from distctl.app.rollback import return_to, revision_of
from distctl.app.routers import Routers
from distctl.app.session import Session
from distctl.app.wishes import intent_changes, parse_scale, refuse_bereft, scale_changes
from distctl.cluster.content import Archive, Folder
from distctl.cluster.image import parse_image
from distctl.cluster.record import Change, Record
from distctl.cluster.router import RouterView, SlotState
from distctl.cluster.snapshot import Snapshot
from distctl.cluster.spec import (
    Connection,
    Endpoint,
    ModelSpec,
    Node,
    RouterId,
    RouterSpec,
    Runtime,
    RuntimeKind,
    Server,
    ServerId,
    Source,
    Spec,
    StoreSpec,
)
from distctl.config import Inventory
from distctl.control.execute import Outcome, State
from distctl.errors import NothingListens
from distctl.policy.images import Answer
from distctl.policy.plan import Plan
from distctl.policy.teardown import teardown
from distctl.policy.wish import Wish
from distctl.testing import FakeCluster, FakeConnector
from distctl.testing.serving import Place, digest, pools_of, states

ROUTER = RouterId("main", "lb")


def node(name: str, *, servers: int = 1, external: bool = False, **labels: str) -> Node:
    """A node with so many servers; its address says nothing."""
    ids = [ServerId(name, str(number)) for number in range(servers)]
    return Node(
        name=name,
        connection=Connection.SSH,
        address=name,
        serve_address="127.0.0.1",
        runtime=Runtime(RuntimeKind.EXTERNAL if external else RuntimeKind.BINARY),
        servers=tuple(Server(id, "127.0.0.1", 9000, 9001, 9002) for id in ids),
        labels=labels,
    )


def model(name: str, replicas: int = 1, **where: str) -> ModelSpec:
    """A model that is pushed."""
    return ModelSpec(name, Source("folder", name), replicas=replicas, where=where)


def spec(nodes: Sequence[Node], models: Sequence[ModelSpec], *, routers: bool = True) -> Spec:
    """A cluster with one router on a node of its own."""
    if not routers:
        return Spec("prod", nodes=tuple(nodes), models=tuple(models))
    main = RouterSpec("main", on=("lb",))
    return Spec("prod", nodes=(*nodes, node("lb", servers=0)), models=tuple(models), routers=(main,))


@dataclass
class Promise:
    """What clients are promised, asked after each change of the fake cluster.

    A model that was served and is wanted stays served; a slot becomes ready in a router only when the model
    answers. Nothing in flight is cut: `FakeCluster.lost` tells that.
    """

    cluster: FakeCluster
    models: frozenset[str] = frozenset()
    broken: list[str] = field(default_factory=list)
    _ready: set[tuple[RouterId, Place]] = field(default_factory=set)

    def watch(self, change: str) -> None:
        """Ask now, after a change of that name."""
        for name in sorted(self.models):
            if not self.cluster.answering(name):
                self.broken.append(f"nobody answers for {name} after {change}")
        ready = set()
        for id, router in self.cluster.routers.items():
            for place, state in (states(router.view) if router.view else {}).items():
                if state is SlotState.READY:
                    ready.add((id, place))
                    if (id, place) not in self._ready and not self.cluster.answers(*place):
                        self.broken.append(f"{id} sends {place[0]} to {place[1]}, which has it not: {change}")
        self._ready = ready

    def kept(self) -> bool:
        """Whether nothing was lost; the assertion shows what was."""
        assert self.broken == []
        assert self.cluster.lost == []
        return True


class RehearsedContents(Contents):
    """Digests of runtimes and start scripts as the fake cluster names them."""

    def __init__(self, session: Session, cluster: FakeCluster, runtime: str) -> None:
        super().__init__(session)
        self._cluster, self.runtime_here = cluster, runtime

    def folder(self, model: str) -> Folder:
        """The fake cluster's folder."""
        return self._cluster.folder(model)

    def runtime(self, node: Node, facts: Mapping[str, str]) -> str:
        """The runtime that this operator has, or what the node's image means."""
        if node.contained:
            return self._session.parts.images.pinned(node.runtime.container.image).digest
        return self.runtime_here

    def archive(self, digest: str) -> Archive:
        """The runtime of that digest."""
        return self._cluster.archive(digest)

    def with_scripts(self, wish: Wish, snapshot: Snapshot) -> Wish:
        """Start scripts as the fake nodes write them."""
        servers = [s for n in self._session.spec.nodes if not n.external for s in n.servers]
        scripts = {s.id: digest(s.id, sorted(wish.models_of(s.id))) for s in servers}
        settings = {s.id: settings_of(s, wish.runtimes.get(s.id.node, "")) for s in servers}
        return replace(wish, settings=settings, scripts=scripts)


class RehearsedRouters(Routers):
    """Digests of routers as the fake ones name them."""

    def structure(self, record: Record, router: RouterId) -> str:
        """Pools and servers."""
        return pools_of(self.view(record, router))

    def config_digest(self, record: Record, router: RouterId) -> str:
        """The whole view."""
        return digest(self.view(record, router))


class Rehearsal(Session):
    """A session whose world is a fake cluster."""

    def __init__(
        self,
        cluster: FakeCluster,
        wanted: Spec,
        runtime: str = "r1",
        configs: Mapping[str, str] | None = None,
        registry: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(Inventory(Path("cluster.yaml"), wanted, StoreSpec("sqlite://"), {}))
        self.contents = RehearsedContents(self, cluster, runtime)
        self.contents.configs = dict(configs or {})
        self.routers = RehearsedRouters(self)
        world = cluster.world(self.routers.view)
        known = registry or {}
        images = Images(ask=lambda image, _: Answer(known.get(str(image), ""), problem="it does not answer"))
        self.parts: Any = SimpleNamespace(store=world.store, clock=world.clock, world=world, images=images)

    def connector(self, name: str) -> Any:
        """Every port of every machine is closed, so every way is there and nobody listens."""
        return FakeConnector(name=name, dials=_nobody)


def settings_of(server: Server, runtime: str) -> str:
    """How a server is started: by its runtime, with its devices."""
    return runtime if server.gpus is None else f"{runtime} {','.join(server.gpus)}"


def _nobody(target: Endpoint | str) -> socket.socket:
    raise NothingListens("lb", f"reach {target}", "connection refused")


class Operator:
    """Runs commands, each in a new process of distctl on the same cluster."""

    def __init__(self, wanted: Spec, *, runtime: str = "r1") -> None:
        self.spec, self.runtime = wanted, runtime
        self.configs: dict[str, str] = {}
        self.registry: dict[str, str] = {}  # image to digest; it does not answer for others
        self.cluster = FakeCluster(wanted, script=self._script)
        self.promise = Promise(self.cluster)

    def _script(
        self, server: Server, models: Mapping[str, str], sources: Mapping[str, str]
    ) -> tuple[str, str]:
        node = self.spec.node(server.id.node)
        image = self.cluster.machines[node.name].images.get(node.runtime.container.image, "")
        runtime = image if node.contained else self.runtime
        return digest(server.id, sorted({*models, *sources})), settings_of(server, runtime)

    def session(self) -> Rehearsal:
        """A new process: nothing is claimed, an old lease has run out."""
        self.cluster.restart()
        self.cluster.calls.watch = None
        self.cluster.clock.advance(61)
        for node in self.spec.nodes:
            self.cluster.node(node.name)  # makes the machine of a new one
            self.cluster.machines[node.name].wanted_image = self._pulled(node)
        return Rehearsal(self.cluster, self.spec, self.runtime, self.configs, self.registry)

    def _pulled(self, node: Node) -> dict[str, str]:
        image = parse_image(node.runtime.container.image)
        found = self.registry.get(str(image))
        return {str(image): found, f"{image.name}@{found}": found} if found else {}

    def served(self) -> frozenset[str]:
        """The models of the spec that somebody answers for, and that are wanted."""
        pins = self.cluster.store.record.pins
        numbers = {m.name: pins[m.name].count if m.name in pins else m.replicas for m in self.spec.models}
        return frozenset(name for name, n in numbers.items() if n and self.cluster.answering(name))

    def plan(self, *, prune: bool = False, fresh: bool = False) -> Plan:
        """What `plan` shows; without `fresh` images mean what they did."""
        return prepare(self.session(), prune=prune, fresh=fresh).plan

    def up(self, *, prune: bool = False, adopt: bool = False, crash: int | None = None) -> Plan:
        """`up`; the plan that was carried out. Raises what the first failed step raised."""

        def changed(session: Rehearsal, keeper: Any) -> Prepared:
            prepared = prepare(session, keeper, prune=prune, adopt=adopt, fresh=True)
            write_revision(session, keeper)
            return prepared

        return self._do("up", changed, crash)

    def heal(self) -> Plan:
        """A pass of a controller, for which nobody waits."""

        def changed(session: Rehearsal, keeper: Any) -> Prepared:
            session.steady, session.attended = True, False
            return prepare(session, keeper)

        return self._do("controller", changed, None)

    def rollback(self, number: int | None = None, *, crash: int | None = None) -> Plan:
        """`rollback [REV]`; the operator's file stays as it is."""

        def changed(session: Rehearsal, keeper: Any) -> Prepared:
            target = revision_of(session, number)
            return_to(session, target)
            prepared = prepare(session, keeper)
            write_revision(session, keeper, f"rollback to revision {target.number}")
            return prepared

        return self._do("rollback", changed, crash)

    def scale(self, *words: str, crash: int | None = None) -> Plan:
        """`scale MODEL=N`."""

        def changed(session: Rehearsal, keeper: Any) -> Prepared:
            changes = scale_changes(session, parse_scale(session, words), "")
            after = with_changes(prepare(session, keeper), session, changes, prune=False)
            session.store.commit(keeper.lease.token, changes)
            return after

        return self._do("scale", changed, crash)

    def drain(
        self,
        *names: str,
        force: bool = False,
        stop: bool = False,
        crash: int | None = None,
        seconds: float = 300,
    ) -> Plan:
        """`drain NODE`."""

        def changed(session: Rehearsal, keeper: Any) -> Prepared:
            changes = intent_changes(session, names, cordoned=True, draining=True, why="", stopped=stop)
            refuse_bereft(session, prepare(session, keeper), changes, force=force)
            session.store.commit(keeper.lease.token, changes)
            return prepare(session, keeper, awaited=names)

        return self._do("drain", changed, crash, force=force, drain_seconds=seconds)

    def undrain(self, *names: str, crash: int | None = None) -> Plan:
        """`undrain NODE`."""
        return self._intend(names, cordoned=False, crash=crash)

    def cordon(self, *names: str, crash: int | None = None) -> Plan:
        """`cordon NODE`."""
        return self._intend(names, cordoned=True, crash=crash)

    def _intend(self, names: Sequence[str], *, cordoned: bool, crash: int | None) -> Plan:
        def changed(session: Rehearsal, keeper: Any) -> Prepared:
            changes = intent_changes(session, names, cordoned=cordoned, draining=False, why="")
            session.store.commit(keeper.lease.token, changes)
            return prepare(session, keeper)

        return self._do("cordon" if cordoned else "undrain", changed, crash)

    def down(self, *, keep_models: bool = False, crash: int | None = None) -> Plan:
        """`down`. Clients are told before it, so no model has to be served."""

        def changed(session: Rehearsal, keeper: Any) -> Prepared:
            found = prepare(session, keeper)
            plan = teardown(found.wish, found.record, found.snapshot, keep_models=keep_models)
            return replace(found, plan=plan)

        return self._do("down", changed, crash, served=frozenset())

    def lose_record(self) -> None:
        """The record is gone; a new, empty one takes its place."""
        store = self.cluster.store
        store.record = Record(id=hashlib.sha256(store.record.id.encode()).hexdigest()[:32])

    def write(self, *changes: Change) -> None:
        """Put something into the record without a command."""
        self.cluster.store.commit(None, changes)

    def _do(
        self,
        what: str,
        changed: Callable[[Rehearsal, Any], Prepared],
        crash: int | None,
        *,
        served: frozenset[str] | None = None,
        **how: Any,
    ) -> Plan:
        session = self.session()
        if crash is not None:
            self.cluster.calls.crash_after(crash)
        with leased(session, what) as keeper:
            prepared = changed(session, keeper)
            self.promise.models = self.served() if served is None else served
            self.promise.models -= set(prepared.plan.interrupts)
            self.cluster.calls.watch = self.promise.watch
            if prepared.plan.empty:
                carry_intents(session, keeper, prepared)
            else:
                outcomes = carry_out(
                    session, keeper, prepared, watch=_ignore, what=what, manner=Manner(**how)
                )
                _raise_first(outcomes)
        return prepared.plan


def _ignore(_: Outcome) -> None:
    pass


def _raise_first(outcomes: Sequence[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.state is State.FAILED:
            assert outcome.error is not None
            raise outcome.error


def places(cluster: FakeCluster) -> dict[str, dict[str, str]]:
    """What runs where at last: by server the models and their contents, and `routed` for each router."""
    found = {str(id): dict(triton.loaded) for id, triton in cluster.tritons.items() if triton.up}
    for id, router in cluster.routers.items():
        routed: dict[Place, SlotState] = dict(states(router.view)) if router.view else {}
        found[str(id)] = {f"{m} {s}": v.value for (m, s), v in routed.items() if v is not SlotState.OFF}
    return found


def view_of(router: Any) -> RouterView:
    """What a router was last told."""
    assert router.view is not None
    return router.view  # type: ignore[no-any-return]
