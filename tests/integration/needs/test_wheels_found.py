"""Requirements become wheels by the real pip, from a folder of wheels instead of an index."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

import pytest
from wheelhouse import make_wheel, only_from, without_network

from distctl.adapters.artifacts import NUMPY_SHA256
from distctl.adapters.environments import Environments
from distctl.adapters.requirements import Requirements
from distctl.cluster.needs import Environment, Target
from distctl.errors import DistctlError, InputError

HERE = Target("3.11", "x86_64", (2, 35))
OLD = Target("3.9", "x86_64", (2, 17))


def nothing() -> None:
    """What is called while pip works."""


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels, which pip knows alone; NumPy 1 and 2 are in it."""
    folder = tmp_path / "house"
    make_wheel(folder, "numpy", "1.26.4")
    make_wheel(folder, "numpy", "2.1.0")
    only_from(monkeypatch, folder)
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def ask(folder: Path, text: str) -> Requirements:
    (folder / "requirements.txt").write_text(text)
    return Requirements(folder / "requirements.txt", text)


def resolved(cache: Path, requirements: Requirements, target: Target = HERE) -> list[str]:
    found = Environments(cache).resolve(requirements, target, nothing)
    return [wheel.requirement for wheel in found.wheels]


def test_an_environment_always_has_numpy_1(house, cache, tmp_path) -> None:
    make_wheel(house, "colour", "1.0", requires=["numpy"])
    assert resolved(cache, ask(tmp_path, "colour\n")) == ["colour==1.0", "numpy==1.26.4"]


def test_markers_are_those_of_the_node(house, cache, tmp_path) -> None:
    make_wheel(
        house, "colour", "1.0", requires=["old; python_version < '3.10'", "new; python_version > '3.10'"]
    )
    make_wheel(house, "old", "1.0")
    make_wheel(house, "new", "1.0")
    requirements = ask(tmp_path, "colour\n")
    assert "old==1.0" in resolved(cache, requirements, OLD)
    assert "new==1.0" in resolved(cache, requirements, HERE)
    assert not {"new==1.0"} & set(resolved(cache, requirements, OLD))


def test_what_was_resolved_once_stays_although_something_newer_appears(house, cache, tmp_path) -> None:
    make_wheel(house, "colour", "1.0")
    requirements = ask(tmp_path, "colour\n")
    before = resolved(cache, requirements)
    make_wheel(house, "colour", "2.0")
    assert resolved(cache, requirements) == before
    assert "colour==2.0" in resolved(cache, ask(tmp_path, "colour  # look again\n"))


def test_a_requirement_without_a_wheel_for_the_node_is_named(house, cache, tmp_path) -> None:
    make_wheel(house, "colour", "1.0", tag="cp312-cp312-manylinux_2_17_x86_64")
    with pytest.raises(InputError, match=r"Python 3\.11 on x86_64 with glibc 2\.35") as raised:
        resolved(cache, ask(tmp_path, "colour==1.0\n"))
    assert "No matching distribution found for colour==1.0" in raised.value.message
    assert not list(cache.glob("environments/*.lock"))


def test_a_wheel_for_a_newer_glibc_is_not_taken(house, cache, tmp_path) -> None:
    make_wheel(house, "colour", "1.0", tag="cp39-cp39-manylinux_2_17_x86_64")
    make_wheel(house, "colour", "2.0", tag="cp39-cp39-manylinux_2_28_x86_64")
    assert "colour==1.0" in resolved(cache, ask(tmp_path, "colour\n"), OLD)


@pytest.mark.parametrize("text", ["numpy==2.1.0\n", "numpy>=2\n", "colour\n"])
def test_numpy_2_is_refused_with_the_reason(house, cache, tmp_path, text) -> None:
    make_wheel(house, "colour", "1.0", requires=["numpy>=2"])
    with pytest.raises(InputError, match="numpy") as raised:
        resolved(cache, ask(tmp_path, text))
    assert "answers wrongly with NumPy 2" in raised.value.hint


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_hashes_in_the_requirements_are_honoured(house, cache, tmp_path) -> None:
    colour, numpy = make_wheel(house, "colour", "1.0"), house / "numpy-1.26.4-py3-none-any.whl"
    pins = f"colour==1.0 --hash=sha256:{sha256(colour)}\nnumpy==1.26.4 --hash=sha256:{sha256(numpy)}\n"
    assert resolved(cache, ask(tmp_path, pins)) == ["colour==1.0", "numpy==1.26.4"]
    with pytest.raises(InputError, match="requirements"):
        resolved(cache, ask(tmp_path, pins.replace(sha256(colour), "0" * 64)))


def test_where_hashes_are_written_numpy_is_the_one_of_the_runtime(house, cache, tmp_path) -> None:
    """The hand-made one is not it, so its hash does not match."""
    colour = make_wheel(house, "colour", "1.0")
    with pytest.raises(InputError) as raised:
        resolved(cache, ask(tmp_path, f"colour==1.0 --hash=sha256:{sha256(colour)}\n"))
    assert "numpy" in raised.value.message
    assert NUMPY_SHA256["3.11"]


def test_without_network_and_cache_the_requirement_and_the_next_step_are_named(
    cache, tmp_path, monkeypatch
) -> None:
    without_network(monkeypatch)
    with pytest.raises(DistctlError, match=r"colour.*: pip could not reach its package index") as raised:
        resolved(cache, ask(tmp_path, "colour==1.0\n"))
    assert not isinstance(raised.value, InputError)
    assert str(cache) in raised.value.hint


def test_whoever_waits_is_told_and_can_end_it(cache, tmp_path, monkeypatch) -> None:
    """An index that takes its time: it accepts and never answers."""
    import socket

    without_network(monkeypatch)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{silent.getsockname()[1]}/simple")

        def lost() -> None:
            raise DistctlError("the lease is somebody else's")

        with pytest.raises(DistctlError, match="somebody else's"):
            Environments(cache).resolve(ask(tmp_path, "colour==1.0\n"), HERE, lost)


def packed(cache: Path, requirements: Requirements, environment: Environment) -> dict[str, int]:
    archive = Environments(cache).archive(requirements, environment, nothing)
    assert archive.digest == environment.digest
    with tarfile.open(archive.path) as opened:
        members = {member.name: member.mode for member in opened}
    assert archive.unpacked > 0
    return members


def test_an_archive_is_what_an_installer_would_lay_out(house, cache, tmp_path) -> None:
    files = {
        "colour/__init__.py": "",
        "colour/bin/tool": "#!/bin/sh\n",
        "colour-1.0.data/platlib/colour/native.so": "x",
        "colour-1.0.data/scripts/colour": "#!python\n",
        "colour-1.0.data/headers/colour.h": "",
    }
    make_wheel(house, "colour", "1.0", files, executable="colour/bin/tool")
    requirements = ask(tmp_path, "colour\n")
    members = packed(cache, requirements, Environments(cache).resolve(requirements, HERE, nothing))
    ours = {name: mode for name, mode in members.items() if "/colour/" in name or "colour-1.0.data" in name}
    assert ours == {
        "site-packages/colour/__init__.py": 0o644,
        "site-packages/colour/bin/tool": 0o755,
        "site-packages/colour/native.so": 0o644,
    }
    assert "site-packages/colour-1.0.dist-info/METADATA" in members


def test_somebody_elses_lock_is_fetched_wheel_by_wheel_with_its_hashes(house, tmp_path) -> None:
    make_wheel(house, "colour", "1.0")
    requirements = ask(tmp_path, "colour\n")
    theirs = Environments(tmp_path / "theirs").resolve(requirements, HERE, nothing)
    make_wheel(house, "colour", "2.0")
    assert "site-packages/colour-1.0.dist-info/METADATA" in packed(tmp_path / "ours", requirements, theirs)
    make_wheel(house, "colour", "1.0", {"colour/__init__.py": "other = 'bytes'\n"})
    with pytest.raises(DistctlError, match=r"requirements\.txt"):
        packed(tmp_path / "third", requirements, theirs)


def test_what_is_in_the_cache_needs_no_network(house, cache, tmp_path, monkeypatch) -> None:
    make_wheel(house, "colour", "1.0")
    requirements = ask(tmp_path, "colour\n")
    environment = Environments(cache).resolve(requirements, HERE, nothing)
    without_network(monkeypatch)
    assert Environments(cache).resolve(requirements, HERE, nothing) == environment
    assert packed(cache, requirements, environment)
