"""A whole cluster in memory: machines, servers and routers tied together, and what clients would lose."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from distctl.cluster.content import Archive, FileEntry, Folder
from distctl.cluster.record import Record
from distctl.cluster.router import RouterView, SlotState
from distctl.cluster.snapshot import ServerSight, Silence
from distctl.cluster.spec import RouterId, Server, ServerId, Spec
from distctl.errors import TritonError
from distctl.testing.address import FakeAddress
from distctl.testing.calls import Calls
from distctl.testing.node import FakeMachine, FakeNode, Script, plain_script, run
from distctl.testing.serving import FakeRouter, FakeTriton, digest, states
from distctl.testing.store import FakeClock, MemoryStore

if TYPE_CHECKING:
    from distctl.control.world import World


class FakeCluster:
    """Everything that a spec names, in memory; nodes that the spec does not name are made when asked for.

    `calls` are those of the process of distctl that is at work: see `Calls.crash_after` and `Calls.fail`.
    `machines`, `tritons` and `routers` are there to be broken; nobody reaches servers that are `parted`, but
    their own machines. `lost` says, in a sentence each, what clients
    would have lost: a request in flight that was cut, or a model that was unloaded or stopped while a router
    still sent to it.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        script: Script = plain_script,
        structure: Callable[[RouterView], str] | None = None,
    ) -> None:
        self.calls = Calls()
        self.clock = FakeClock()
        self.store = MemoryStore(clock=self.clock, calls=self.calls)
        self.lost: list[str] = []
        self.parted: set[ServerId] = set()
        self.machines = {node.name: FakeMachine(node.name) for node in spec.nodes}
        self.tritons: dict[ServerId, FakeTriton] = {}
        self.routers: dict[RouterId, FakeRouter] = {}
        self.addresses: dict[RouterId, FakeAddress] = {}
        self._contents: dict[str, str] = defaultdict(lambda: "1")
        self._ports: dict[str, FakeNode] = {}
        self._script, self._structure = script, structure
        for server in spec.servers:
            self.triton(server.id)
        for router in spec.router_ids:
            self.router(router)

    # --- the ports, as the control loop is given them ---

    def node(self, name: str) -> FakeNode:
        """The port to a node, made when it is first asked for."""
        if name not in self._ports:
            machine = self.machines.setdefault(name, FakeMachine(name))
            self._ports[name] = FakeNode(
                machine, self.triton, calls=self.calls, script=self._script, stopping=self._stopping
            )
        return self._ports[name]

    def triton(self, server: ServerId) -> FakeTriton:
        """The Triton of a server."""
        if server not in self.tritons:
            self.tritons[server] = FakeTriton(
                str(server), calls=self.calls, leaving=lambda model: self._leaving(server, model)
            )
        return self.tritons[server]

    def router(self, router: RouterId) -> FakeRouter:
        """One router process."""
        if router not in self.routers:
            self.routers[router] = FakeRouter(
                router,
                calls=self.calls,
                healthy=self.answers,
                structure=self._structure,
                lose=self.lost.append,
            )
        return self.routers[router]

    def address(self, router: RouterId) -> FakeAddress:
        """A router's shared address on one place."""
        return self.addresses.setdefault(router, FakeAddress(router, self.addresses, self.calls))

    def probe(
        self, servers: tuple[Server, ...], keys: Mapping[ServerId, str]
    ) -> Mapping[ServerId, ServerSight]:
        """What each server answers; keys are not asked for."""
        return {server.id: self._probed(server.id) for server in servers}

    def folder(self, model: str) -> Folder:
        """A model's folder here; `edit` gives it another content."""
        content = self._contents[model]
        return Folder(Path(model), (FileEntry("config.pbtxt", len(content), digest(model, content)),))

    def archive(self, name: str) -> Archive:
        """The runtime of a digest."""
        return Archive(Path(f"{name}.tar.gz"), name, 1, 1)

    def world(self, view: Callable[[Record, RouterId], RouterView]) -> World:
        """The ports as one value; `view` renders what a router is to be."""
        from distctl.control.world import World

        return World(
            store=self.store,
            clock=self.clock,
            node=self.node,
            triton=self.triton,
            router=self.router,
            address=self.address,
            probe=self.probe,
            view=view,
            folder=self.folder,
            archive=self.archive,
        )

    # --- what tests do to it, and ask it ---

    def restart(self) -> None:
        """A new process of distctl on the same machines: it has claimed nothing and nothing breaks it."""
        self.calls.restart()
        self._ports = {}

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Another process of distctl is at work, while this one is stopped and keeps what it has claimed."""
        ports, self._ports = self._ports, {}
        try:
            yield
        finally:
            self._ports = ports

    def edit(self, model: str) -> None:
        """Change the files of a model's folder here."""
        self._contents[model] += "+"

    def kill(self, server: ServerId) -> None:
        """The Triton process dies; its supervisor has not started it again yet."""
        self.machines[server.node].units[f"server-{server.server}"].process = None
        self.triton(server).shut()

    def reboot(self, node: str) -> None:
        """The machine starts again, and with it every unit that is meant to be up."""
        machine = self.machines[node]
        machine.boot += 1
        for unit in machine.units.values():
            unit.process = None
            self.triton(unit.server.id).shut()
            if unit.up:
                run(machine, unit, self.triton(unit.server.id))

    def answers(self, model: str, server: ServerId) -> bool:
        """Whether a server would answer a request for a model now."""
        triton = self.tritons.get(server)
        if triton is None or not triton.up or triton.hung or server in self.parted:
            return False
        return model in triton.loaded

    def answering(self, model: str) -> frozenset[ServerId]:
        """The servers that some router sends a model's requests to, and that answer them."""
        return frozenset().union(*(router.sends_to(model) for router in self.routers.values()))

    def _probed(self, server: ServerId) -> ServerSight:
        try:
            triton = self.triton(server)
            if server in self.parted:
                return ServerSight(server, error="no packet comes back", silence=Silence.LOST)
            replicas = triton.sights()
        except TritonError as error:
            return ServerSight(server, error=error.message, silence=self.triton(server).silence)
        return ServerSight(server, live=True, ready=True, replicas=replicas, service=dict(triton.service))

    def _stopping(self, server: ServerId) -> None:
        for model in sorted(self.triton(server).loaded):
            self._leaving(server, model)

    def _leaving(self, server: ServerId, model: str) -> None:
        for router in self.routers.values():
            state = states(router.view).get((model, server)) if router.view else None
            if state is SlotState.READY:
                self.lost.append(f"{router.id} still sent {model} to {server} when it left")
            if count := router.in_flight.get((model, server), 0):
                self.lost.append(f"{router.id} had {count} requests of {model} on {server} when it left")
