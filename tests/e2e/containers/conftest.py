"""A registry and podman for tests of containers; without them a test is skipped aloud, and fails in CI."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from images import picture
from podman import Podman, missing, podman
from registry import Registry, registry


@pytest.fixture(scope="session", autouse=True)
def _needed() -> None:
    if why := missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)


@pytest.fixture(scope="module")
def reg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry on loopback with two versions of the image, `1` and `2`."""
    with registry(tmp_path_factory.mktemp("registry")) as made:
        for version in ("1", "2"):
            made.push(picture(version), tag=version)
        yield made


@pytest.fixture(scope="module")
def engine(reg: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """podman that knows the registry; this process and what it starts use it."""
    made = podman(tmp_path_factory.mktemp("podman"), reg.address)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in made.environment.items():
            patch.setenv(name, value)
        yield made
    made.keep(reg.address)
