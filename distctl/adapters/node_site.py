"""One node of the inventory as the control loop knows it: looked at, claimed, its servers, its depot.

It joins a connector, which runs scripts, with `commands`, which builds them, and `facts`, which reads what
they print. Nothing is decided here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from distctl.adapters.container_settings import engine_of
from distctl.adapters.images import Images
from distctl.adapters.node_change import Changes
from distctl.adapters.node_depot import NodeDepot
from distctl.adapters.node_images import NodeImages
from distctl.adapters.node_settings import RuntimeDigest
from distctl.adapters.server_scripts import ServerScripts
from distctl.adapters.silence import inside
from distctl.cluster.content import Archive, Folder
from distctl.cluster.snapshot import Instant, NodeSight, Owner, Silence
from distctl.cluster.spec import Node, Server
from distctl.commands import container_states, fence, images, look, stored, triton, units
from distctl.commands.files import quote
from distctl.commands.paths import NodePaths, default_root
from distctl.errors import NodeError
from distctl.facts import all as facts_all
from distctl.facts.probe import section, sections
from distctl.facts.system import clock_offset
from distctl.policy.stateless import as_facts, nature, unread
from distctl.ports import Connector, Progress, Result

LOOK = 60.0  # seconds


class NodeSite:
    """Fulfils `ports.NodeControl`, `ports.ServerControl` and `ports.Depot` for one node.

    `runtime_digest` names the runtime for a Python version (see `artifacts.Artifacts.digest`), `pins` say
    what images mean; `clock` is the observer's time, for the node's clock offset; `models` are those whose
    folders lie on nodes, with their paths: a look reads their configurations too.
    """

    def __init__(
        self,
        node: Node,
        connector: Connector,
        cluster: str,
        runtime_digest: RuntimeDigest,
        *,
        pins: Images | None = None,
        clock: Callable[[], float] = time.time,
        models: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._node, self._connector, self._cluster = node, connector, cluster
        self._runtime_digest, self._clock, self._models = runtime_digest, clock, models
        self._facts: Mapping[str, str] = {}
        self._keys: dict[str, str] = {}
        self._changes = Changes(node.name, connector, lambda: self.paths)
        self._depot = NodeDepot(node.name, connector, self._changes, lambda: self.paths)
        self._pins = pins or Images()
        self._images = NodeImages(node.name, connector, self._changes, lambda: self.paths)

    @property
    def paths(self) -> NodePaths:
        """The node's layout; looks at the node first if nobody has."""
        home = self.facts["home"]
        become = self._node.ssh.become is not None
        return NodePaths(
            default_root(
                self._cluster, self._node.name, home=home, directory=self._node.directory, become=become
            )
        )

    @property
    def facts(self) -> Mapping[str, str]:
        """The facts of the last look; looks at the node first if nobody has."""
        if not self._facts:
            self._look()
        return self._facts

    @property
    def manager(self) -> units.Manager:
        """Who keeps this node's units running."""
        return units.manager_for(self.facts, become=self._node.ssh.become is not None)

    @property
    def login(self) -> str:
        """The uid that comes in over ssh, where that is not the account that our scripts run as."""
        login = self.facts.get("login", "")
        return "" if login == self.facts.get("uid") else login

    def look(self) -> NodeSight:
        """What is on the node, in one round trip; see `ports.NodeControl`."""
        try:
            return self._look()
        except NodeError as error:
            return NodeSight(self._node.name, reachable=False, error=error.message)

    def _look(self) -> NodeSight:
        root = look.root_expression(
            self._cluster,
            self._node.name,
            directory=self._node.directory,
            become=self._node.ssh.become is not None,
        )
        runtime = self._node.runtime
        engine = (runtime.container.engine or "any") if self._node.contained else ""
        script = look.opening(root, runtime.python or "", engine) + facts_all.script()
        for name, body in (*look.config_sections(self._models), *look.SECTIONS):
            script += section(name, body)
        before = self._clock()
        result = self._connector.run(script, tried="looking at the node", deadline=LOOK)
        found = sections(result.stdout)
        facts = facts_all.parse(found)
        if "home" not in facts or "end" not in found:
            raise NodeError(
                self._node.name,
                "looking at the node",
                "its shell did not run our script to the end",
                output=(result.stderr or result.stdout).splitlines()[-20:],
            )
        offset = clock_offset(facts, found["end"], (before, self._clock()))
        self._facts = facts | offset | _natures(found, self._models)
        there = stored.parse_listing(found["stored"])
        return NodeSight(
            self._node.name,
            reachable=True,
            facts=self._facts,
            owner=fence.parse_owner(found.get("owner", "")),
            units=container_states.parse_states(
                found.get("containers", ""), units.parse_states(found.get("units", ""))
            ),
            runtimes=there.runtimes,
            images=self._listed(found.get("images", "")),
            models=there.models,
            links=there.links,
            environments=there.environments,
            locks=there.locks,
        )

    def _listed(self, text: str) -> dict[str, str]:
        """The images of the node's engine; none where it has none that can be used."""
        try:
            return images.parse_listing(text, engine_of(self._node, self._facts).name)
        except NodeError:
            return {}

    def change(self, script: str, *, tried: str, deadline: float = 60.0) -> Result:
        """Run a changing script under the node's lock as its owner; see `node_change.Changes.run`."""
        return self._changes.run(script, tried=tried, deadline=deadline)

    def claim(self, owner: Owner, *, also: Iterable[str] = ()) -> None:
        """Write the owner file, and show its generation from now on; see `ports.NodeControl`."""
        self._changes.claim(owner, tried="claiming the node", also=also)

    def renew(self, until: Instant) -> None:
        """Let the claim last until then; see `ports.NodeControl`."""
        self._changes.renew(until)

    def confirm(self) -> None:
        """Raise when the node was taken over since it was claimed; see `ports.NodeControl`."""
        if self._changes.owner is not None:
            self._changes.run(":", tried="making sure that the node is still ours")

    def release(self, *, changed: bool = True) -> None:
        """Say in the owner file that the work is done. A node that was removed meanwhile is let go too."""
        if self._changes.owner is not None:
            self._changes.let_go(changed=changed)

    def remove(self, *, keep_models: bool = False) -> None:
        """Remove the node's whole folder; see `ports.NodeControl`."""
        script = images.prune(self.paths, frozenset()) + stored.remove_root(
            self.paths, keep_models=keep_models
        )
        self._changes.must(script, tried="removing what distctl put there", deadline=300)
        self._changes.owner = None

    def configure(self, server: Server, models: Mapping[str, str], sources: Mapping[str, str]) -> bool:
        """Make start script and links name these models; see `ports.ServerControl`."""
        paths, unit = self.paths, self._unit(server)
        targets = {**sources, **models}
        script = (
            stored.make_key(paths, unit.name)
            + stored.link_models(paths, unit.name, targets)
            + units.install(unit, self._scripts.run(server, targets))
        )
        result = self._changes.must(script, tried=f"writing the start script of {server.id}")
        self._keys.pop(unit.name, None)
        return any(line.startswith("changed ") for line in result.stdout.splitlines())

    def start(self, server: Server) -> None:
        """Start the supervised process unless it runs; see `ports.ServerControl`."""
        generation = self._changes.owner.generation if self._changes.owner else 0
        self._changes.must(self._scripts.start(server, generation), tried=f"starting {server.id}")

    def stop(self, server: Server, *, seconds: float) -> None:
        """Stop the process with everything that it started; see `ports.ServerControl`."""
        script = self._scripts.stop(server, seconds)
        self._changes.must(script, tried=f"stopping {server.id}", deadline=seconds + 60)

    def silence(self, server: Server) -> Silence:
        """How a server does not answer on its own node; see `ports.ServerControl`."""
        return inside(self._connector, server.http)

    def clear(self, server: Server) -> None:
        """Remove what is kept of a stopped server; see `ports.ServerControl`."""
        script = f"rm -rf {quote(self._unit(server).folder)}"
        self._changes.must(script, tried=f"removing {server.id}")

    def key(self, server: Server) -> str:
        """The key of the server's restricted API; see `ports.ServerControl`. Empty when there is none yet."""
        name = triton.unit_name(server)
        if not self._keys.get(name):
            script = f"cat {quote(self.paths.key(name))} 2>/dev/null; true"
            result = self._connector.run(script, tried=f"reading the key of {server.id}", deadline=LOOK)
            self._keys[name] = result.stdout.strip()
        return self._keys[name]

    def tail(self, unit: str, lines: int = 20) -> list[str]:
        """The last lines of a unit's log; see `ports.ServerControl`."""
        script = self._scripts.tail(unit, lines)
        return self._connector.run(
            script, tried=f"reading the log of {unit}", deadline=LOOK
        ).stdout.splitlines()

    def install(self, archive: Archive, *, progress: Progress | None = None) -> None:
        """Put a runtime or an environment there; see `ports.Depot`."""
        self._depot.install(archive, progress=progress)

    def pull(self, *, report: Callable[[str], None]) -> tuple[str, str]:
        """Pull the image of the node's containers; see `ports.Depot`."""
        wanted = self._node.runtime.container
        engine, pinned = engine_of(self._node, self.facts), self._pins.pinned(wanted.image)
        access = self._pins.access(wanted)
        seconds = self._node.timeouts.pull
        self._images.pull(engine.name, pinned, access, seconds=seconds, report=report)
        there = self._look().images
        digest = there.get(pinned.content, "")
        if not digest:
            tried = f"pulling {pinned.text}"
            raise NodeError(self._node.name, tried, f"{engine.name} pulled it and does not have it")
        self._pins.learn(wanted.image, digest)
        self._images.mark(engine.name, pinned.image, digest)
        return str(pinned.image), digest

    def push(self, model: str, folder: Folder, *, progress: Progress | None = None) -> None:
        """Put a model's content there; see `ports.Depot`."""
        self._depot.push(model, folder, progress=progress)

    def prune(
        self,
        keep_models: Mapping[str, frozenset[str]],
        keep_runtimes: frozenset[str],
        keep_environments: frozenset[str] = frozenset(),
    ) -> None:
        """Remove every content that is not named; see `ports.Depot`."""
        self._images.prune(keep_runtimes)
        self._depot.prune(keep_models, keep_runtimes, keep_environments)

    @property
    def _scripts(self) -> ServerScripts:
        root = self.paths.root
        return ServerScripts(
            self._node, root, self.facts, self.manager, self._runtime_digest, self._pins.pinned
        )

    def _unit(self, server: Server) -> units.Unit:
        return triton.unit(self.paths.root, server)


def _natures(found: Mapping[str, str], models: Iterable[str]) -> dict[str, str]:
    """What the configurations of models on the node say of state."""
    facts: dict[str, str] = {}
    for model in models:
        text, problem = look.parse_config(found, model)
        facts |= as_facts(model, unread(problem) if problem else nature(text))
    return facts
