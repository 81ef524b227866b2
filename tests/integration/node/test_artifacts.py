"""The runtime's archive holds only what is needed and is the same bytes each time."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

import pytest

from distctl.adapters.artifacts import NUMPY_SHA256, Artifacts
from distctl.cluster.needs import PYTHONS
from distctl.errors import DistctlError, InputError

STUBS = "pytriton/tritonserver/python_backend_stubs"
SERVER = {
    "pytriton/__init__.py": b"not needed",
    "pytriton/tritonserver/bin/tritonserver": b"server",
    "pytriton/tritonserver/backends/python/libtriton_python.so": b"backend",
    "pytriton/tritonserver/backends/python/triton_python_backend_utils.py": b"utils",
    f"{STUBS}/3.11/triton_python_backend_stub": b"stub 3.11",
    f"{STUBS}/3.12/triton_python_backend_stub": b"stub 3.12",
    "nvidia_pytriton.libs/libssl-1.so.3": b"ssl",
    "nvidia_pytriton.libs/libpython3-1.13.so.1.0": b"not needed",
}
PACKAGES = {
    "numpy/__init__.py": b"numpy",
    "numpy/__init__.pyi": b"not needed",
    "numpy/core/tests/test_x.py": b"not needed",
    "numpy.libs/libopenblas.so": b"blas",
}


def wheel(path: Path, files: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def artifacts(tmp_path: Path):
    """Wheels of the real ones' shape; makes a cache of its own each time."""

    def make(name: str) -> Artifacts:
        for python, sha256 in NUMPY_SHA256.items():
            wheel(tmp_path / name / "wheels" / sha256[:16] / f"numpy-{python}.whl", PACKAGES)
        return Artifacts(tmp_path / name, wheel=wheel(tmp_path / "pytriton.whl", SERVER))

    return make


def test_the_archive_holds_what_a_server_needs_and_nothing_else(artifacts):
    archive = artifacts("a").runtime("3.11")
    with tarfile.open(archive.path) as opened:
        found = {member.name: (opened.extractfile(member).read(), member.mode) for member in opened}
    assert found == {
        "backends/python/libtriton_python.so": (b"backend", 0o644),
        "backends/python/triton_python_backend_stub": (b"stub 3.11", 0o755),
        "backends/python/triton_python_backend_utils.py": (b"utils", 0o644),
        "bin/tritonserver": (b"server", 0o755),
        "lib/libssl-1.so.3": (b"ssl", 0o644),
        "python/site-packages/numpy.libs/libopenblas.so": (b"blas", 0o644),
        "python/site-packages/numpy/__init__.py": (b"numpy", 0o644),
    }
    assert archive.size == archive.path.stat().st_size
    assert archive.unpacked == sum(len(content) for content, _ in found.values())


def test_the_same_wheels_give_the_same_bytes_and_the_digest_is_known_before(artifacts, tmp_path):
    first, second = artifacts("a"), artifacts("b")
    digest = first.digest("3.11")
    assert not (tmp_path / "a" / "runtimes").exists()
    assert first.runtime("3.11").digest == second.runtime("3.11").digest == digest
    assert first.runtime("3.11").path.read_bytes() == second.runtime("3.11").path.read_bytes()


def test_each_python_has_a_runtime_of_its_own(artifacts):
    made = artifacts("a")
    assert len({made.digest(python) for python in PYTHONS}) == len(PYTHONS)


def test_a_python_without_a_stub_is_refused_with_those_that_have_one(artifacts):
    with pytest.raises(InputError, match=r"3\.8") as raised:
        artifacts("a").digest("3.8")
    assert "3.12, 3.11, 3.10, 3.9" in raised.value.hint


def test_a_wheel_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.whl") as raised:
        Artifacts(tmp_path, wheel=tmp_path / "nowhere.whl").digest("3.11")
    assert "DISTCTL_PYTRITON_WHEEL" in raised.value.hint


def test_a_wheel_that_is_none_is_an_error_of_ours(artifacts, tmp_path):
    made = artifacts("a")
    (tmp_path / "pytriton.whl").write_bytes(b"this is no wheel")
    with pytest.raises(DistctlError, match=r"pytriton\.whl"):
        made.runtime("3.11")
    assert list((tmp_path / "a" / "runtimes").glob("*.gz")) == []
