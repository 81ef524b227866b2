"""A node in memory: its files and processes, and the port that one process of distctl changes it by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from distctl.cluster.content import Archive, Folder, Kind
from distctl.cluster.needs import LOCK, Lock, parse_lock
from distctl.cluster.snapshot import Identity, Instant, NodeSight, Owner, Silence, UnitSight
from distctl.cluster.spec import Server, ServerId
from distctl.errors import ForeignNode, NodeError, NodeLocked, StaleGeneration, Unreachable
from distctl.ports import Progress
from distctl.testing.calls import Calls
from distctl.testing.serving import FakeTriton, digest

# The digests of a server's whole start script and of its settings, models aside.
Script = Callable[[Server, Mapping[str, str], Mapping[str, str]], tuple[str, str]]


def plain_script(server: Server, models: Mapping[str, str], sources: Mapping[str, str]) -> tuple[str, str]:
    """The digests of a start script that says no more than server and models."""
    return digest(server.id, sorted({*models, *sources})), ""


@dataclass(slots=True)
class FakeUnit:
    """A server's files on a node, and its process."""

    server: Server
    models: dict[str, str]
    sources: dict[str, str]
    run_digest: str
    settings: str
    started_with: str = ""  # the settings of the running process
    process: Identity | None = None
    up: bool = False


@dataclass(slots=True)
class FakeMachine:
    """What outlives every process of distctl. A test may change all of it.

    `locked_by` names somebody whose change is under way.
    """

    name: str
    reachable: bool = True
    facts: dict[str, str] = field(default_factory=dict)
    owner: Owner | None = None
    runtimes: set[str] = field(default_factory=set)
    environments: set[str] = field(default_factory=set)
    locks: dict[tuple[str, str], Lock] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)  # by name, as `NodeSight` has them
    wanted_image: dict[str, str] = field(default_factory=dict)  # what a pull brings
    models: dict[str, set[str]] = field(default_factory=dict)
    units: dict[str, FakeUnit] = field(default_factory=dict)
    boot: int = 1
    locked_by: str = ""
    next_pid: int = 100

    def spawn(self) -> Identity:
        """A new process's identity."""
        self.next_pid += 1
        return Identity(f"boot-{self.boot}", self.next_pid, self.next_pid)


class FakeNode:
    """The port of one process to one machine: NodeControl, ServerControl and Depot.

    As on a real node every change compares the owner file with what this port claimed.
    """

    def __init__(
        self,
        machine: FakeMachine,
        triton: Callable[[ServerId], FakeTriton],
        *,
        calls: Calls | None = None,
        script: Script = plain_script,
        stopping: Callable[[ServerId], None] | None = None,
    ) -> None:
        self._machine, self._triton, self._script = machine, triton, script
        self._calls, self._stopping = calls or Calls(), stopping
        self._claimed: Owner | None = None

    def look(self) -> NodeSight:
        """What is on the machine."""
        m = self._machine
        with self._calls.look(f"{m.name}: look"):
            if not m.reachable:
                return NodeSight(m.name, reachable=False, error="no route to host")
            return NodeSight(
                m.name,
                reachable=True,
                facts=dict(m.facts),
                owner=m.owner,
                units={name: _unit_sight(name, unit) for name, unit in m.units.items()},
                runtimes=frozenset(m.runtimes),
                environments=frozenset(m.environments),
                locks={key: lock for key, lock in m.locks.items() if key[1] in m.models.get(key[0], ())},
                images=dict(m.images),
                models={model: frozenset(digests) for model, digests in m.models.items()},
                links={
                    (unit.server.id.server, model): content
                    for unit in m.units.values()
                    for model, content in unit.models.items()
                },
            )

    def claim(self, owner: Owner, *, also: Iterable[str] = ()) -> None:
        """Write the owner file. Raises NodeLocked, ForeignNode, StaleGeneration, Unreachable."""
        with self._calls.change(f"{self._machine.name}: claim"):
            self._reach("claim")
            self._compare(owner, also)
            self._claimed = self._machine.owner = owner

    def renew(self, until: Instant) -> None:
        """Let the claim last until then. It comes by the clock, so it is not counted as a change."""
        with self._calls.look(f"{self._machine.name}: renew"):
            if self._claimed is not None and self._machine.owner:
                self._reach("renew")
                self._compare(self._claimed)
                self._machine.owner = replace(self._machine.owner, until=until)

    def confirm(self) -> None:
        """Raise when somebody took the machine over since it was claimed."""
        with self._calls.look(f"{self._machine.name}: confirm"):
            if self._claimed is not None:
                self._reach("confirm")
                self._compare(self._claimed)

    def release(self, *, changed: bool = True) -> None:
        """Say in the owner file that the work is done."""
        if self._claimed is None:
            return
        with self._change("release") as machine:
            if machine.owner:
                generation = machine.owner.generation - (0 if changed else 1)
                machine.owner = replace(machine.owner, until=0.0, generation=generation)
            if not changed:
                self._claimed = None

    def remove(self, *, keep_models: bool = False) -> None:
        """Remove everything, or all but the models. Raises NodeError while a process runs."""
        with self._change("remove") as machine:
            running = [name for name, unit in machine.units.items() if unit.process]
            if running:
                raise NodeError(machine.name, "remove", f"{', '.join(running)} still runs")
            machine.units.clear()
            if not keep_models:
                machine.models.clear()
            machine.runtimes.clear()
            machine.environments.clear()
            machine.owner = None

    def configure(self, server: Server, models: Mapping[str, str], sources: Mapping[str, str]) -> bool:
        """Write start script and links. True if anything changed."""
        with self._change(f"configure {server.id}") as machine:
            run, settings = self._script(server, models, sources)
            name = f"server-{server.id.server}"
            old = machine.units.get(name) or FakeUnit(server, {}, {}, "", "")
            new = replace(
                old,
                server=server,
                models=dict(models),
                sources=dict(sources),
                run_digest=run,
                settings=settings,
            )
            machine.units[name] = new
            self._triton(server.id).repository = self._links(new)
            return new != old

    def start(self, server: Server) -> None:
        """Start the process unless it runs. Raises NodeError without a start script."""
        with self._change(f"start {server.id}"):
            unit = self._unit(server)
            unit.up = True
            if unit.process is None:
                run(self._machine, unit, self._triton(server.id))

    def stop(self, server: Server, *, seconds: float) -> None:
        """Stop the process; nothing to do where none runs."""
        with self._change(f"stop {server.id}") as machine:
            unit = machine.units.get(f"server-{server.id.server}")
            if unit is None:
                return
            if unit.process and self._stopping:
                self._stopping(server.id)
            unit.up, unit.process = False, None
            self._triton(server.id).shut()

    def silence(self, server: Server) -> Silence:
        """How a server does not answer on its own machine."""
        with self._calls.look(f"{self._machine.name}: silence"):
            self._reach("silence")
            return self._triton(server.id).silence

    def clear(self, server: Server) -> None:
        """Remove a unit that was stopped."""
        with self._change(f"clear {server.id}") as machine:
            machine.units.pop(f"server-{server.id.server}", None)

    def key(self, server: Server) -> str:
        """The key of the server's restricted API."""
        with self._calls.look(f"{self._machine.name}: key"):
            self._reach("key")
            return f"key-of-{server.id}"

    def tail(self, unit: str, lines: int = 20) -> list[str]:
        """One line, which names the unit."""
        with self._calls.look(f"{self._machine.name}: tail"):
            self._reach("tail")
            return [f"the log of {unit}"][:lines]

    def install(self, archive: Archive, *, progress: Progress | None = None) -> None:
        """Store a runtime or an environment."""
        with self._change(f"install {archive.digest}") as machine:
            kept = machine.runtimes if archive.kind is Kind.RUNTIME else machine.environments
            kept.add(archive.digest)
            if progress:
                progress(archive.size, archive.size)

    def pull(self, *, report: Callable[[str], None]) -> tuple[str, str]:
        """Have the image that is wanted there."""
        with self._change("pull") as machine:
            if not machine.wanted_image:
                raise NodeError(machine.name, "pull", "there is no such image in the registry")
            machine.images |= machine.wanted_image
            machine.runtimes |= set(machine.wanted_image.values())  # marked as pulled by us
            report("pulling, 0 s")
            return next((n, d) for n, d in machine.wanted_image.items() if "@" not in n)

    def push(self, model: str, folder: Folder, *, progress: Progress | None = None) -> None:
        """Store a model's folder."""
        with self._change(f"push {model}") as machine:
            machine.models.setdefault(model, set()).add(folder.digest)
            if lock := folder.made.get(LOCK):
                machine.locks[model, folder.digest] = parse_lock(lock.decode().splitlines())
            if progress:
                progress(folder.size, folder.size)

    def prune(
        self,
        keep_models: Mapping[str, frozenset[str]],
        keep_runtimes: frozenset[str],
        keep_environments: frozenset[str] = frozenset(),
    ) -> None:
        """Forget every content that is not named."""
        with self._change("prune") as machine:
            gone = machine.runtimes - keep_runtimes
            machine.runtimes -= gone
            machine.images = {name: d for name, d in machine.images.items() if d not in gone}
            machine.environments &= keep_environments
            kept = {
                model: found & keep_models.get(model, frozenset()) for model, found in machine.models.items()
            }
            machine.models = {model: found for model, found in kept.items() if found}

    @contextmanager
    def _change(self, what: str) -> Iterator[FakeMachine]:
        with self._calls.change(f"{self._machine.name}: {what}"):
            self._reach(what)
            if self._claimed is None:
                raise ForeignNode(self._machine.name, what, "it was not claimed")
            self._compare(self._claimed)
            yield self._machine

    def _reach(self, tried: str) -> None:
        if not self._machine.reachable:
            raise Unreachable(self._machine.name, tried, "no route to host")

    def _compare(self, ours: Owner, also: Iterable[str] = ()) -> None:
        name, found = self._machine.name, self._machine.owner
        if self._machine.locked_by:
            raise NodeLocked(name, "take its lock", f"{self._machine.locked_by} changes it")
        if found is None:
            return
        if found.cluster != ours.cluster or found.record not in (ours.record, *also):
            raise ForeignNode(name, "compare the owner file", f"it belongs to {found.cluster}, by {found.by}")
        if (found.generation, found.run) != (ours.generation, ours.run) and (
            found.generation >= ours.generation
        ):
            problem = f"generation {found.generation} by {found.run} is not our {ours.generation}"
            raise StaleGeneration(name, "compare the owner file", problem)

    def _unit(self, server: Server) -> FakeUnit:
        unit = self._machine.units.get(f"server-{server.id.server}")
        if unit is None:
            raise NodeError(self._machine.name, f"start {server.id}", "there is no start script")
        return unit

    def _links(self, unit: FakeUnit) -> dict[str, str]:
        """What Triton finds behind the links: contents that are stored, and paths of the node's own."""
        stored = {m: d for m, d in unit.models.items() if d in self._machine.models.get(m, ())}
        return {**stored, **unit.sources}


def run(machine: FakeMachine, unit: FakeUnit, triton: FakeTriton) -> None:
    """Start a unit's process, as its supervisor does."""
    unit.process, unit.started_with = machine.spawn(), unit.settings
    triton.boot()


def _unit_sight(name: str, unit: FakeUnit) -> UnitSight:
    return UnitSight(
        name,
        run_digest=unit.run_digest,
        settings=unit.started_with if unit.process else unit.settings,
        process=unit.process,
        wanted_up=unit.up,
    )
