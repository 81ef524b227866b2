"""Models with needs in the fake cluster: what is installed, kept, taken over from nodes, and left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rehearsal import Operator, Rehearsal, RehearsedContents, model, node, spec

from distctl.adapters.folders import furnished
from distctl.adapters.requirements import Requirements
from distctl.app.change import prepare
from distctl.cluster.content import Archive, Folder, Kind
from distctl.cluster.image import NVIDIA
from distctl.cluster.needs import Environment, Target, Wheel
from distctl.cluster.spec import Container, Node, Runtime, RuntimeKind, Source, Spec
from distctl.errors import DistctlError, InputError
from distctl.policy.operations import InstallEnvironment, LoadReplica, Prune, PushModel
from distctl.testing import FakeCluster

FACTS = {
    "arch": "x86_64",
    "glibc": "2.36",
    "python.3.11": "/usr/bin/python3.11",
    "python.3.11.library": "/lib",
}
NEWER = {**FACTS, "python.3.12": "/opt/python3.12", "python.3.12.library": "/lib"}


@dataclass
class Index:
    """A package index and a pip: the newest version of everything, or no network. `asked` counts."""

    newest: str = "1.0"
    online: bool = True
    asked: list[Target] = field(default_factory=list)
    packed: list[str] = field(default_factory=list)

    def resolve(self, requirements: Requirements, target: Target, alive: Callable[[], None]) -> Environment:
        self.asked.append(target)
        if not self.online:
            raise DistctlError("no wheels: pip reached no package index")
        names = [line.partition("==") for line in requirements.text.splitlines() if line[:1].isalpha()]
        files = (f"{name}-{version or self.newest}-py3-none-any.whl" for name, _, version in names)
        return Environment(target, tuple(Wheel(file, sha256(file.encode()).hexdigest()) for file in files))

    def known(self, requirements: Requirements, target: Target) -> None:
        """It keeps nothing."""

    def archive(self, _: Requirements, environment: Environment, alive: Callable[[], None]) -> Archive:
        self.packed.append(environment.digest)
        return Archive(Path("e.tar.gz"), environment.digest, 1, 1, Kind.ENVIRONMENT)


class NeedyContents(RehearsedContents):
    """Contents whose models may have a requirements.txt."""

    def folder(self, model: str) -> Folder:
        lock = self._session.needs.locks.get(model)
        return furnished(super().folder(model), lock) if lock else super().folder(model)

    def archive(self, digest: str) -> Archive:
        return super().archive(digest) if digest.startswith("r") else self._session.needs.archive(digest)


class Needy(Rehearsal):
    """A session of such models."""

    def __init__(self, index: Index, cluster: FakeCluster, *rest: Any) -> None:
        super().__init__(cluster, *rest)
        self.contents = NeedyContents(self, cluster, self.contents.runtime_here)
        world = replace(self.parts.world, folder=self.contents.folder, archive=self.contents.archive)
        self.parts = SimpleNamespace(**{**vars(self.parts), "world": world, "environments": index})


class Clerk(Operator):
    """An operator with an index of their own."""

    def __init__(self, wanted: Spec, index: Index) -> None:
        super().__init__(wanted)
        self.index = index
        for machine in self.cluster.machines.values():
            machine.facts.update(FACTS)

    def session(self) -> Rehearsal:
        super().session()
        return Needy(self.index, self.cluster, self.spec, self.runtime, self.configs)

    def environments(self, name: str = "a") -> set[str]:
        return self.cluster.machines[name].environments

    def operations(self, kind: type) -> list[Any]:
        return [step.operation for step in self.plan().steps if isinstance(step.operation, kind)]


@pytest.fixture
def asks(tmp_path: Path) -> Callable[..., Any]:
    """Write a model's requirements; what comes back is the model."""

    def write(name: str, text: str, replicas: int = 1) -> Any:
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "requirements.txt").write_text(text)
        return replace(model(name, replicas), source=Source("folder", str(tmp_path / name)))

    return write


def test_an_environment_is_there_before_its_model_is_loaded(asks) -> None:
    clerk = Clerk(spec([node("a")], [asks("words", "idna==3.1\n")]), Index())
    steps = clerk.plan().steps
    (install,) = [step for step in steps if isinstance(step.operation, InstallEnvironment)]
    start = next(step for step in steps if "start server" in step.operation.text)
    assert install.number in start.needs
    clerk.up()
    assert clerk.environments() == {install.operation.digest}
    assert clerk.plan().empty
    assert clerk.promise.kept()


def test_models_that_ask_for_the_same_wheels_share_them(asks) -> None:
    models = [asks("one", "idna==3.1\n"), asks("two", "# of its own\nidna==3.1\n"), model("plain")]
    clerk = Clerk(spec([node("a")], models), Index())
    (install,) = clerk.operations(InstallEnvironment)
    assert install.models == ("one", "two")


def test_changed_requirements_are_a_new_version_that_keeps_the_one_before(asks) -> None:
    clerk = Clerk(spec([node("a"), node("b")], [asks("words", "idna==3.1\n", 2)]), Index())
    clerk.up()
    found = [clerk.environments().copy()]
    for version in ("3.2", "3.3"):
        asks("words", f"idna=={version}\n")
        assert len(clerk.operations(LoadReplica)) == 2
        clerk.up()
        found.append(clerk.environments().copy())
    assert [len(each) for each in found] == [1, 2, 2]
    assert not found[0] & found[2], "the first of three is gone"
    assert clerk.plan().empty
    assert clerk.promise.kept()


def test_what_was_resolved_once_holds_for_every_operator(asks) -> None:
    clerk = Clerk(spec([node("a")], [asks("words", "idna\n")]), Index("3.1"))
    clerk.up()
    clerk.index = Index("3.2")
    assert clerk.plan().empty
    clerk.lose_record()
    assert clerk.up().steps == ()
    assert clerk.index.asked == []


def test_a_new_node_gets_what_the_others_have(asks) -> None:
    words = asks("words", "idna\n", 1)
    clerk = Clerk(spec([node("a")], [words]), Index("3.1"))
    clerk.up()
    clerk.index = Index("3.2")
    clerk.spec = spec([node("a"), node("b")], [replace(words, replicas=2)])
    clerk.cluster.node("b")
    clerk.cluster.machines["b"].facts.update(FACTS)
    clerk.up()
    assert clerk.environments("a") == clerk.environments("b")
    assert not clerk.index.asked


def test_another_python_gets_an_environment_of_its_own(asks) -> None:
    clerk = Clerk(spec([node("a"), node("b")], [asks("words", "idna==3.1\n", 2)]), Index())
    clerk.cluster.machines["b"].facts.update(NEWER | {"python.3.11.library": ""})
    clerk.up()
    assert len(clerk.environments("a") | clerk.environments("b")) == 2
    assert {target.python for target in clerk.index.asked} == {"3.11", "3.12"}
    assert clerk.plan().empty


def test_a_node_that_is_away_changes_no_version(asks) -> None:
    clerk = Clerk(spec([node("a"), node("b")], [asks("words", "idna==3.1\n", 2)]), Index())
    clerk.cluster.machines["b"].facts.update(NEWER | {"python.3.11.library": ""})
    clerk.up()
    clerk.cluster.machines["b"].reachable = False
    assert not clerk.operations(LoadReplica)


def test_without_a_network_the_plan_says_what_is_not_known_and_brings_nothing(asks) -> None:
    clerk = Clerk(spec([node("a")], [asks("words", "idna\n"), model("plain")]), Index(online=False))
    plan = clerk.plan()
    assert any("words: its requirements are not resolved yet" in note for note in plan.notes)
    session = clerk.session()
    prepared = prepare(session)
    with pytest.raises(DistctlError, match="pip reached no package index"):
        session.needs.refuse_unresolved(prepared.plan)
    with pytest.raises(DistctlError, match="pip reached no package index"):
        session.needs.require()
    assert len(clerk.index.asked) == 2, "each process asks once"


def test_without_a_network_a_model_stays_as_it_is_and_a_drain_goes_on(asks) -> None:
    clerk = Clerk(spec([node("a"), node("b")], [asks("words", "idna==3.1\n", 2)]), Index())
    clerk.up()
    asks("words", "idna==3.2\n")
    clerk.index.online = False
    assert not clerk.operations(PushModel)
    assert not clerk.operations(LoadReplica)
    clerk.drain("a")
    assert clerk.promise.kept()


def test_every_archive_is_here_before_a_node_is_claimed(asks) -> None:
    clerk = Clerk(spec([node("a")], [asks("words", "idna==3.1\n")]), Index())
    owners: list[object] = []
    packed = clerk.index.archive

    def noted(*what: Any) -> Archive:
        owners.append(clerk.cluster.machines["a"].owner)
        return packed(*what)

    clerk.index.archive = noted  # type: ignore[method-assign]
    clerk.up()
    assert owners[0] is None


def test_an_environment_that_nobody_needs_any_more_goes(asks) -> None:
    clerk = Clerk(spec([node("a")], [asks("words", "idna==3.1\n"), model("plain")]), Index())
    clerk.up()
    clerk.cluster.machines["a"].environments.add("stray")
    (prune,) = clerk.operations(Prune)
    assert set(prune.environments) == clerk.environments() - {"stray"}
    clerk.up()
    assert "stray" not in clerk.environments()
    clerk.spec = replace(clerk.spec, models=(model("plain"),))
    clerk.up(prune=True)
    assert clerk.environments() == set()


def boxed(name: str, image: str, python: str | None = None) -> Node:
    how = Runtime(RuntimeKind.CONTAINER, python=python, container=Container(image=image))
    return replace(node(name), runtime=how)


def test_in_a_container_the_images_python_counts_and_a_process_beside_it_has_its_own(asks) -> None:
    clerk = Clerk(spec([boxed("a", NVIDIA), node("b")], [asks("words", "idna==3.1\n", 2)]), Index())
    clerk.registry[NVIDIA] = "sha256:1"
    clerk.up()
    assert {target.python for target in clerk.index.asked} == {"3.10", "3.11"}
    assert len(clerk.environments("a")) == len(clerk.environments("b")) == 1
    assert clerk.environments("a") != clerk.environments("b")
    assert clerk.plan().empty


def test_an_image_of_which_nobody_knows_the_python_is_refused_with_the_key(asks) -> None:
    image = "registry.local/own:1"
    clerk = Clerk(spec([boxed("a", image)], [asks("words", "idna==3.1\n"), model("plain")]), Index())
    clerk.registry[image] = "sha256:1"
    session = clerk.session()
    prepare(session)
    with pytest.raises(
        InputError, match=r"nobody knows the Python of a's image registry\.local/own:1"
    ) as told:
        session.needs.require()
    assert told.value.hint == 'write it, as runtime: {python: "3.10"}'
    clerk.spec = spec([boxed("a", image, "3.11")], [asks("words", "idna==3.1\n"), model("plain")])
    clerk.up()
    assert {target.python for target in clerk.index.asked} == {"3.11"}


def test_from_a_process_to_a_container_and_back_old_images_and_environments_go_together(asks) -> None:
    """Its registry answers the node alone, so the plan that pulls the image does not know its digest yet."""
    words = asks("words", "idna==3.1\n")
    clerk = Clerk(spec([node("a")], [words]), Index())
    clerk.registry[NVIDIA] = "sha256:1"
    clerk.up()
    process = clerk.environments().copy()
    clerk.spec = spec([boxed("a", NVIDIA)], [words])
    clerk.up()
    contained = clerk.environments() - process
    assert clerk.plan().empty
    clerk.spec = spec([node("a")], [words])
    clerk.rollback()
    assert process <= clerk.environments()
    assert clerk.environments() <= process | contained
    assert clerk.cluster.machines["a"].runtimes == {"r1"}
    assert clerk.cluster.machines["a"].images == {}
    assert clerk.plan().empty
    assert clerk.promise.kept()
