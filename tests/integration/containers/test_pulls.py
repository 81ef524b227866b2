"""Pulls by real podman from a registry that wants a login: what they leave behind, and how they end."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from images import picture
from podman import Podman, missing, podman
from registry import Registry, registry

from distctl.adapters.images import Images
from distctl.adapters.local import LocalConnector
from distctl.adapters.node_site import NodeSite
from distctl.cluster.snapshot import Owner
from distctl.cluster.spec import (
    Connection,
    Container,
    Login,
    Node,
    Runtime,
    RuntimeKind,
    SecretRef,
    Server,
    ServerId,
    Timeouts,
)
from distctl.commands.container import container_name
from distctl.errors import DeadlineExceeded, Interrupted, NodeError

PASSWORD = "s3cret-of-the-suite"
LOGIN = Login("bob", SecretRef("env", ("SUITE",)))
SERVER = Server(ServerId("one", "0"), "127.0.0.1", 23990, 23991, 23992)
Sites = Callable[..., NodeSite]


@pytest.fixture(scope="module")
def reg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    if why := missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    with registry(tmp_path_factory.mktemp("registry"), login=f"bob:{PASSWORD}") as made:
        yield made


@pytest.fixture
def engine(reg: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Podman]:
    made = podman(tmp_path / "podman", reg.address)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    yield made
    made.remove("distctl.node=one")
    for id_ in made.images(reg.address):
        made.run("rmi", "--force", id_)


@pytest.fixture
def image(reg: Registry, request: pytest.FixtureRequest) -> str:
    """A small image of this test's own."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:60]
    return reg.push(picture(name, layers=(), ballast=1000), tag=name)


@pytest.fixture
def sites(engine: Podman, tmp_path: Path) -> Sites:
    """A claimed node whose one server runs in an image."""

    def make(
        image: str, *, password: str = PASSWORD, login: Login | None = LOGIN, pull: float = 60
    ) -> NodeSite:
        container = Container(engine="podman", image=image, login=login)
        node = Node(
            *("one", Connection.LOCAL, "127.0.0.1", "127.0.0.1"),
            runtime=Runtime(RuntimeKind.CONTAINER, container=container),
            servers=(SERVER,),
            directory=str(tmp_path / "node"),
            timeouts=replace(Timeouts(), pull=pull),
        )
        site = NodeSite(node, LocalConnector(node), "suite", lambda _: "", pins=Images(lambda _: password))
        site.claim(Owner("suite", "record", 1, "ann@desk", time.time()))
        return site

    return make


def nothing_is_left(site: NodeSite) -> None:
    """No login in memory, no folder of a pull, no process, the password nowhere on the disk."""
    assert list(Path("/dev/shm").glob("distctl-login.*")) == []
    assert list(Path(site.paths.uploads).glob("pull.*")) == []
    found = subprocess.run(
        ["grep", "-rl", PASSWORD, site.paths.root], capture_output=True, text=True, check=False
    )
    assert found.stdout == ""
    assert b"podman\0pull" not in everybody()


def everybody() -> bytes:
    """The command line of every process."""
    lines = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(entry.read_bytes())
        except OSError:
            continue
    return b"\n".join(lines)


def test_a_pull_with_a_login_leaves_the_image_and_nothing_else(
    sites: Sites, image: str, engine: Podman
) -> None:
    site, said, shown = sites(image), [], []

    def report(text: str) -> None:
        said.append(text)
        shown.append(PASSWORD.encode() in everybody())

    site.pull(report=report)
    sight = site.look()
    assert image in sight.images
    assert sight.runtimes == {sight.images[image]}, "it is marked as ours"
    assert shown == [False] * len(said)
    nothing_is_left(site)
    site.prune({}, frozenset())
    after = site.look()
    assert (image in after.images, after.runtimes) == (False, frozenset())


@pytest.mark.parametrize(("password", "login"), [("wrong", LOGIN), ("", None)])
def test_a_login_that_is_refused_is_told(
    sites: Sites, image: str, password: str, login: Login | None
) -> None:
    site = sites(image, password=password, login=login)
    with pytest.raises(NodeError, match="the registry refuses us; nothing was changed") as caught:
        site.pull(report=lambda _: None)
    assert "runtime.login" in caught.value.hint
    nothing_is_left(site)


def test_a_pull_ends_with_the_command(sites: Sites, image: str, reg: Registry) -> None:
    def report(text: str) -> None:
        raise Interrupted("ended with the command")

    site = sites(image, login=None)
    reg.freeze()
    try:
        with pytest.raises(Interrupted):
            site.pull(report=report)
        nothing_is_left(site)
    finally:
        reg.thaw()


def test_a_pull_ends_at_its_deadline(sites: Sites, image: str, reg: Registry) -> None:
    site = sites(image, login=None, pull=0.6)
    reg.freeze()
    try:
        with pytest.raises(DeadlineExceeded) as caught:
            site.pull(report=lambda _: None)
    finally:
        reg.thaw()
    assert "timeouts.pull" in caught.value.hint
    nothing_is_left(site)


def test_an_image_of_somebody_else_is_not_removed(
    sites: Sites, image: str, engine: Podman, reg: Registry
) -> None:
    site = sites(image)
    engine.run(
        "login", "--username", "bob", "--password", PASSWORD, "--authfile", "/dev/shm/suite-auth", reg.address
    )
    engine.run("pull", "--authfile", "/dev/shm/suite-auth", image)
    Path("/dev/shm/suite-auth").unlink()
    site.prune({}, frozenset())
    site.remove()
    assert image in site.look().images


def test_a_container_of_somebody_else_is_never_touched(sites: Sites, image: str, engine: Podman) -> None:
    site = sites(image)
    site.pull(report=lambda _: None)
    name = container_name(site.paths.root, SERVER)
    theirs = engine.run("create", "--name", name, image, "sh").strip()
    site.configure(SERVER, {}, {})
    try:
        with pytest.raises(NodeError) as caught:
            site.start(SERVER)
        site.stop(SERVER, seconds=1)
        assert any("already in use" in line for line in caught.value.output)
        assert engine.run("inspect", "--format", "{{.Id}}", name).strip() == theirs
    finally:
        engine.run("rm", name)


def test_an_engine_without_the_image_says_so(sites: Sites, image: str) -> None:
    site = sites(image)
    site.configure(SERVER, {}, {})
    with pytest.raises(NodeError) as caught:
        site.start(SERVER)
    assert any("is not on the node" in line for line in caught.value.output)
    assert site.look().units["server-0"].process is None
