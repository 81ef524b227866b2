"""The runtime that is pushed to nodes: built once on the operator's side, so that a node needs no internet.

tritonserver with its libraries comes out of the nvidia-pytriton wheel, NumPy 1 out of its own wheel, since
the python backend answers wrongly with NumPy 2. Both are pinned by hash. The archive's digest follows from
those hashes and the Python version alone, so a plan knows it without downloading or building anything.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from distctl.adapters.packing import Member, files, opened, pack, sha256_of
from distctl.cluster.content import Archive
from distctl.cluster.needs import PYTHONS
from distctl.errors import DistctlError, InputError

LAYOUT = 1  # raised when the same wheels are packed in another way


PYTRITON = "nvidia-pytriton==0.7.0"
PYTRITON_SHA256 = "21f063ff93bb426d0c06b7a55e7eb9efcfe62c0dddd9a908e9877e18710128df"
PYTRITON_TAG = "manylinux_2_35_x86_64"

NUMPY = "numpy==1.26.4"
NUMPY_TAG = "manylinux2014_x86_64"
NUMPY_SHA256 = {
    "3.9": "f870204a840a60da0b12273ef34f7051e98c3b5961b61b0c2c1be6dfd64fbcd3",
    "3.10": "ffa75af20b44f8dba823498024771d5ac50620e6915abac414251bd971b4529f",
    "3.11": "666dbfb6ec68962c033a450943ded891bed2d54e6755e35e5835d63f4f6931d5",
    "3.12": "675d61ffbfa78604709862923189bad94014bef562cc35cf61d3a07bba02a7ed",
}

WHEEL_VARIABLE = "DISTCTL_PYTRITON_WHEEL"


def default_cache() -> Path:
    """Where wheels and archives are kept: DISTCTL_CACHE, else distctl in the user's cache folder."""
    named = os.environ.get("DISTCTL_CACHE")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(named) if named else base / "distctl"


class Artifacts:
    """Runtimes, built in and kept under `cache`. `wheel` is an nvidia-pytriton wheel to use instead."""

    def __init__(self, cache: Path, *, wheel: Path | None = None) -> None:
        self._cache = cache
        self._wheel = wheel
        self._wheel_sha256 = ""
        self._building = threading.Lock()

    @classmethod
    def from_environment(cls) -> Artifacts:
        """The user's cache, and the wheel that DISTCTL_PYTRITON_WHEEL names, if it does."""
        named = os.environ.get(WHEEL_VARIABLE)
        return cls(default_cache(), wheel=Path(named) if named else None)

    def digest(self, python: str) -> str:
        """The name of the runtime for a Python version such as `3.11`. Raises InputError for another one."""
        if python not in NUMPY_SHA256:
            raise InputError(
                f"no runtime exists for Python {python}", hint=f"one of {', '.join(PYTHONS)} is needed"
            )
        if self._wheel and not self._wheel_sha256:
            self._wheel_sha256 = _sha256(self._wheel)
        triton = self._wheel_sha256 or PYTRITON_SHA256
        recipe = f"layout {LAYOUT}\ntriton {triton}\nnumpy {NUMPY_SHA256[python]}\npython {python}\n"
        return hashlib.sha256(recipe.encode()).hexdigest()[:16]

    def runtime(self, python: str) -> Archive:
        """The archive for a Python version: built unless the cache has it, which may download two wheels.

        Raises InputError for a version that has none, DistctlError when a wheel cannot be had.
        """
        digest = self.digest(python)
        path = self._cache / "runtimes" / f"{digest}.tar.gz"
        size_note = path.with_suffix(".size")
        with self._building:  # many nodes want the same one at the same time
            if not (path.exists() and size_note.exists()):
                path.parent.mkdir(parents=True, exist_ok=True)
                size_note.write_text(str(self._build(python, path)))
        return Archive(path, digest, path.stat().st_size, int(size_note.read_text()))

    def _build(self, python: str, path: Path) -> int:
        triton = self._wheel or self._get(PYTRITON, PYTRITON_SHA256, PYTRITON_TAG, "3.11")
        numpy = self._get(NUMPY, NUMPY_SHA256[python], NUMPY_TAG, python)
        with opened(triton) as server, opened(numpy) as packages:
            members = [*_server_members(server, python), *_package_members(packages)]
            return pack(sorted(members, key=lambda member: member.name), path)

    def _get(self, requirement: str, sha256: str, tag: str, python: str) -> Path:
        """The wheel of that hash, from the cache or by pip, which verifies the hash itself."""
        folder = self._cache / "wheels" / sha256[:16]
        if not (found := list(folder.glob("*.whl"))):
            folder.mkdir(parents=True, exist_ok=True)
            _download(requirement, sha256, tag, python, folder)
            found = list(folder.glob("*.whl"))
        return found[0]


def _download(requirement: str, sha256: str, tag: str, python: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as beside:
        pins = Path(beside) / "pins.txt"
        pins.write_text(f"{requirement} --hash=sha256:{sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--requirement", str(pins)]
        command += ["--platform", tag, "--python-version", python, "--dest", beside]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(Path(beside).glob("*.whl"))
        if ended.returncode != 0 or not wheels:
            last = (ended.stderr.strip().splitlines() or ["pip said nothing"])[-1]
            raise DistctlError(
                f"{requirement} could not be downloaded: {last}",
                hint=f"get the wheel by hand and name it in {WHEEL_VARIABLE}"
                if requirement == PYTRITON
                else "pip must work here once; what it gets is kept",
            )
        wheels[0].replace(folder / wheels[0].name)


def _server_members(wheel: zipfile.ZipFile, python: str) -> Iterator[Member]:
    """tritonserver, its libraries, the python backend and the one stub that fits."""
    stub = f"pytriton/tritonserver/python_backend_stubs/{python}/triton_python_backend_stub"
    for source in files(wheel):
        if source == stub:
            yield Member("backends/python/triton_python_backend_stub", wheel, source, executable=True)
        elif source == "pytriton/tritonserver/bin/tritonserver":
            yield Member("bin/tritonserver", wheel, source, executable=True)
        elif source.startswith("pytriton/tritonserver/backends/"):
            yield Member(source.removeprefix("pytriton/tritonserver/"), wheel, source)
        elif source.startswith("nvidia_pytriton.libs/") and "libpython" not in source:
            yield Member(f"lib/{PurePosixPath(source).name}", wheel, source)


def _package_members(wheel: zipfile.ZipFile) -> Iterator[Member]:
    """NumPy without its tests and headers."""
    for source in files(wheel):
        path = PurePosixPath(source)
        if "tests" not in path.parts and "include" not in path.parts and path.suffix not in {".pyi", ".a"}:
            yield Member(f"python/site-packages/{source}", wheel, source)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return sha256_of(file)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", hint=f"{WHEEL_VARIABLE} names it") from error
