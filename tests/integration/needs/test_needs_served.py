"""Two models of one real Triton that ask for different versions of a package: each sees its own."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from node_parts import Place, eventually, folder_of, make_place
from wheelhouse import make_model, make_wheel, numpy_wheel, only_from

from distctl.adapters.artifacts import Artifacts
from distctl.adapters.environments import Environments
from distctl.adapters.folders import furnished
from distctl.adapters.node_settings import target_of
from distctl.adapters.requirements import read_requirements
from distctl.adapters.triton_http import HttpTriton
from distctl.cluster.content import Archive
from distctl.cluster.needs import Lock
from distctl.cluster.snapshot import ModelState
from distctl.errors import NodeError, TritonError
from distctl.facts.python import choose


@dataclass
class Needy:
    """A real node with models that have needs."""

    place: Place
    base: Path
    environments: Environments

    def model(self, name: str, requirements: str = "") -> Path:
        return make_model(self.base / "models" / name, requirements)

    def archive(self, folder: Path) -> tuple[Lock, Archive]:
        """What a model needs on this node."""
        requirements = read_requirements(folder)
        target = target_of(self.place.node, self.place.site.facts)
        assert requirements and target
        environment = self.environments.resolve(requirements, target, lambda: None)
        lock = Lock(requirements.digest, {target: environment})
        return lock, self.environments.archive(requirements, environment, lambda: None)

    def push(self, name: str, requirements: str = "") -> str:
        """Bring a model and what it needs to the node; the digest of its content."""
        folder = self.model(name, requirements)
        content = folder_of(folder)
        if requirements:
            lock, archive = self.archive(folder)
            content = furnished(content, lock)
            self.place.site.install(archive)
        self.place.site.push(name, content)
        return content.digest

    def client(self) -> HttpTriton:
        return HttpTriton(self.place.server.http, lambda: self.place.site.key(self.place.server))

    def ask(self, model: str) -> list[str]:
        body = {"inputs": [{"name": "X", "shape": [1], "datatype": "FP32", "data": [0]}]}
        url = f"{self.place.server.http.url}/v2/models/{model}/infer"
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode()), timeout=20) as f:
            return list(json.load(f)["outputs"][0]["data"])


@pytest.fixture
def needy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Needy]:
    """A claimed node with the runtime; pip knows NumPy 1 and the wheels of the test alone."""
    artifacts = Artifacts.from_environment()
    place = make_place(tmp_path, artifacts.digest)
    python = choose(place.site.facts)
    assert python
    for version in ("1.0", "2.0"):
        make_wheel(tmp_path / "house", "colour", version)
    only_from(monkeypatch, tmp_path / "house", numpy_wheel(python.version))
    place.claim()
    yield Needy(place, tmp_path, Environments(tmp_path / "cache"))
    place.site.stop(place.server, seconds=0)


def test_each_model_of_a_server_sees_its_own_packages_and_the_others_none(needy: Needy) -> None:
    site = needy.place.site
    site.install(Artifacts.from_environment().runtime(choose(site.facts).version))
    models = {
        "one": needy.push("one", "colour==1.0\n"),
        "two": needy.push("two", "colour==2.0\n"),
        "plain": needy.push("plain"),
    }
    sight = site.look()
    assert len(sight.environments) == 2
    assert {model for model, _ in sight.locks} == {"one", "two"}

    site.configure(needy.place.server, models, {})
    site.start(needy.place.server)
    eventually(lambda: settled(needy.client(), 3), 60)
    assert needy.ask("one") == ["1.0 1.0", "1.26.4"]
    assert needy.ask("two") == ["2.0 2.0", "1.26.4"]
    assert needy.ask("plain") == ["No module named 'colour'", "1.26.4"]

    site.prune({model: frozenset({digest}) for model, digest in models.items()}, sight.runtimes)
    assert site.look().environments == frozenset()
    assert not list(needy.place.path("units", "server-default", "environments").glob("*_*"))
    with pytest.raises(TritonError, match=r"for Python 3\.\d+ is not on this node: run distctl up"):
        needy.client().load("two")


def settled(client: HttpTriton, ready: int) -> bool:
    """Whether the server answers, so many models are ready and none is loading."""
    try:
        states = [sight.state for sight in client.index().values()]
    except TritonError:
        return False
    return ModelState.LOADING not in states and states.count(ModelState.READY) >= ready


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system needs root")
def test_a_disk_that_is_too_small_for_an_environment_says_so_and_keeps_nothing(
    needy: Needy, tmp_path: Path
) -> None:
    folder = needy.model("one", "colour==1.0\n")
    _, archive = needy.archive(folder)
    mount = tmp_path / "small"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", mount], check=True)
    try:
        small = make_place(mount, lambda version: version)
        small.claim()
        with pytest.raises(NodeError, match=r"installing environment .* MB free and \d+ MB are needed"):
            small.site.install(archive)
        with pytest.raises(NodeError, match="the disk has 0 MB free"):  # believed to fit, and cut by the disk
            small.site.install(replace(archive, unpacked=1))
        assert small.site.look().environments == frozenset()
    finally:
        subprocess.run(["umount", mount], check=True)
