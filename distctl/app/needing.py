"""What the models of a cluster need: their requirements, resolved for every kind of node that may serve them.

The nodes have the last word. What a stored content says of the same requirements is taken over, so that `up`
from another machine resolves nothing anew; after them comes this machine's cache, and only then pip.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from distctl.cluster.content import Archive
from distctl.cluster.needs import Environment, Lock, Target
from distctl.cluster.record import Record
from distctl.cluster.snapshot import NodeSight, Snapshot
from distctl.cluster.spec import ModelSpec, Node
from distctl.errors import DistctlError, InputError, LeaseHeld
from distctl.policy.operations import InstallEnvironment, PushModel
from distctl.policy.placement import fits
from distctl.policy.plan import Plan

if TYPE_CHECKING:
    from distctl.adapters.requirements import Requirements
    from distctl.app.session import Session


class Needs:
    """The needs of one session's models. `say` is told of pip's work, `alive` is called each second of it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.alive: Callable[[], None] = lambda: None
        self.say: Callable[[str], None] = lambda _: None
        self.locks: dict[str, Lock] = {}
        self.unresolved: dict[str, DistctlError] = {}  # by model
        self._known: dict[tuple[str, Target], Environment] = {}  # by requirements
        self._failed: dict[tuple[str, Target], DistctlError] = {}
        self._packed: dict[str, tuple[Requirements, Environment]] = {}  # by environment

    def resolve(self, record: Record, snapshot: Snapshot) -> None:
        """Work out the lock of every model with needs; those that cannot be are in `unresolved`.

        Raises InputError for requirements that cannot be read.
        """
        self.locks, self.unresolved = {}, {}
        carried = self.take_over(snapshot.nodes.values())
        for model in self._session.spec.models:
            if requirements := self.requirements(model.name):
                targets = carried[model.name] | self._targets(model, record, snapshot)
                self.locks[model.name] = self._lock(model.name, requirements, sorted(targets))
                for node in self._session.spec.nodes:
                    if error := unknown_python(model, node):
                        self.unresolved[model.name] = error

    def take_over(self, sights: Iterable[NodeSight]) -> dict[str, set[Target]]:
        """Believe what contents on nodes say; by model the targets that they know of. Raises InputError."""
        seen, found = list(sights), dict[str, set[Target]]()
        for model in self._session.spec.models:
            if requirements := self.requirements(model.name):
                carried = carried_environments(seen, model.name, requirements.digest)
                self._known |= {(requirements.digest, target): e for target, e in carried.items()}
                found[model.name] = set(carried)
        return found

    def requirements(self, model: str) -> Requirements | None:
        """A model's requirements; None when it needs nothing, or does not lie here. Raises InputError."""
        from distctl.adapters.requirements import read_requirements

        source = self._session.contents.source(model)
        return read_requirements(source) if source else None

    def environment(self, requirements: Requirements, target: Target) -> Environment:
        """What requirements come to for a target.

        Raises DistctlError when they cannot be resolved, LeaseHeld when the lease was lost meanwhile.
        """
        key = (requirements.digest, target)
        if key in self._failed:
            raise self._failed[key]
        if key not in self._known:
            try:
                self._known[key] = self._resolved(requirements, target)
            except LeaseHeld:
                raise
            except DistctlError as error:
                self._failed[key] = error
                raise
        return self._known[key]

    def _resolved(self, requirements: Requirements, target: Target) -> Environment:
        environments = self._session.parts.environments
        if found := environments.known(requirements, target):
            return found
        self.say(f"{requirements.path}: getting its wheels for {target.text}")
        return environments.resolve(requirements, target, self.alive)

    def on(self, node: Node, facts: Mapping[str, str]) -> dict[str, str]:
        """The environments that a node's models need, by model."""
        from distctl.adapters.node_settings import target_of

        target = target_of(node, facts)
        found = {m: lock.environments.get(target) for m, lock in self.locks.items() if target}
        return {model: e.digest for model, e in found.items() if e and e.wheels}

    def require(self) -> None:
        """Raise DistctlError when the requirements of a model could not be resolved."""
        for error in self.unresolved.values():
            raise error

    def refuse_unresolved(self, plan: Plan) -> None:
        """Raise DistctlError when a plan pushes a model whose requirements could not be resolved."""
        for step in plan.steps:
            if isinstance(step.operation, PushModel) and step.operation.model in self.unresolved:
                raise self.unresolved[step.operation.model]

    def fetch(self, plan: Plan) -> None:
        """Have every environment that a plan brings on this machine. Raises DistctlError."""
        for step in plan.steps:
            if isinstance(step.operation, InstallEnvironment):
                self.archive(step.operation.digest)

    def archive(self, digest: str) -> Archive:
        """The archive of an environment, built if need be. Raises KeyError, DistctlError."""
        requirements, environment = self._packed[digest]
        return self._session.parts.environments.archive(requirements, environment, self.alive)

    def targets(self, model: ModelSpec, nodes: Iterable[tuple[Node, Mapping[str, str]]]) -> set[Target]:
        """The targets of those nodes that may serve a model, with what is known of them."""
        from distctl.adapters.node_settings import target_of

        found = {
            target_of(node, facts)
            for node, facts in nodes
            if node.servers and not node.external and fits(model, node)
        }
        return {target for target in found if target is not None}

    def _targets(self, model: ModelSpec, record: Record, snapshot: Snapshot) -> set[Target]:
        """A node that is away is taken for what it was, so that its absence changes nothing."""
        known = {**record.facts, **{n: s.facts for n, s in snapshot.nodes.items() if s.facts}}
        nodes = ((node, known[node.name]) for node in self._session.spec.nodes if node.name in known)
        return self.targets(model, nodes)

    def _lock(self, model: str, requirements: Requirements, targets: list[Target]) -> Lock:
        found = {}
        for target in targets:
            try:
                found[target] = self.environment(requirements, target)
                self._packed[found[target].digest] = (requirements, found[target])
            except LeaseHeld:
                raise
            except DistctlError as error:
                found[target] = Environment(target)
                self.unresolved[model] = error
        return Lock(requirements.digest, found)


def unknown_python(model: ModelSpec, node: Node) -> InputError | None:
    """The error where a node may serve a model with needs in an image whose Python nobody knows."""
    from distctl.adapters.node_settings import image_python

    if not node.contained or not fits(model, node) or image_python(node):
        return None
    image = f"{node.name}'s image {node.runtime.container.image}"
    return InputError(
        f"{model.name} has a requirements.txt, and nobody knows the Python of {image}",
        hint='write it, as runtime: {python: "3.10"}',
    )


def carried_environments(
    sights: Iterable[NodeSight], model: str, requirements: str
) -> dict[Target, Environment]:
    """What contents on nodes say that requirements came to; where they differ, what most servers link."""
    votes: dict[Target, Counter[Environment]] = {}
    for sight in sights:
        for (name, digest), lock in sight.locks.items():
            if name == model and lock.requirements == requirements:
                users = sum(link == digest for (_, linked), link in sight.links.items() if linked == model)
                for target, environment in lock.environments.items():
                    votes.setdefault(target, Counter())[environment] += users
    return {
        target: max(sorted(found), key=lambda environment: found[environment])
        for target, found in votes.items()
    }
