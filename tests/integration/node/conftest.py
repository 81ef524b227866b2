"""Fixtures of the node's tests; whatever a test starts is ended after it."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from node_parts import Place, Supervised, make_place, model_folder, sh

from distctl.adapters.artifacts import Artifacts
from distctl.cluster.content import Archive
from distctl.commands.units import Unit, install
from distctl.facts.python import choose


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Callable[..., Supervised]]:
    """Make a unit of a shell script's text; it is not started."""
    made: list[Supervised] = []

    def make(run: str, **settings: object) -> Supervised:
        settings.setdefault("shm_prefix", f"distctl-test-{secrets.token_hex(4)}-")
        unit = Unit(str(tmp_path / "c" / "n"), f"server-{len(made)}", **settings)
        assert sh(install(unit, f"#!/bin/sh\n{run}\n")).returncode == 0
        made.append(Supervised(unit))
        return made[-1]

    yield make
    for one in made:
        one.stop(0)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A claimed node on which no Triton is to be started: its runtimes are named and never made."""
    made = make_place(tmp_path, lambda version: f"runtime-{version}")
    made.claim()
    return made


@pytest.fixture(scope="session")
def artifacts() -> Artifacts:
    """Where runtimes come from: the wheel that DISTCTL_PYTRITON_WHEEL names, else a download that is kept."""
    return Artifacts.from_environment()


@pytest.fixture(scope="session")
def installed(artifacts: Artifacts, tmp_path_factory: pytest.TempPathFactory) -> tuple[Archive, Path]:
    """The runtime for this machine's Python, and the folder of a node that it was installed on."""
    made = make_place(tmp_path_factory.mktemp("installed"), artifacts.digest)
    found = choose(made.site.facts)
    assert found, "no Python with a libpython: apt-get install libpython3.11, or whatever python3 is here"
    archive = artifacts.runtime(found.version)
    made.claim()
    made.site.install(archive)
    assert made.site.look().runtimes == {archive.digest}
    return archive, made.path("runtime")


@pytest.fixture
def runtime(installed: tuple[Archive, Path]) -> Archive:
    """The runtime's archive."""
    return installed[0]


@pytest.fixture
def triton_place(tmp_path: Path, artifacts: Artifacts, installed: tuple[Archive, Path]) -> Iterator[Place]:
    """A claimed node with the runtime, linked from the one above; its server is stopped at the end."""
    made = make_place(tmp_path, artifacts.digest)
    made.claim()
    subprocess.run(["cp", "-al", installed[1], made.path("runtime")], check=True)
    yield made
    made.site.stop(made.server, seconds=0)


@pytest.fixture
def number_model(tmp_path: Path) -> Path:
    """A small model's folder, for the python backend."""
    return model_folder(tmp_path / "number", 1)
