"""Wheels made by hand, the same bytes each time, in a folder for pip, and a model that wants them."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from distctl.adapters.artifacts import NUMPY, NUMPY_TAG, default_cache

NOWHERE = "http://127.0.0.1:9/simple"  # nobody listens on the port that was meant for `discard`

CONFIG = """backend: "python"
input [ { name: "X" data_type: TYPE_FP32 dims: [ 1 ] } ]
output [ { name: "Y" data_type: TYPE_STRING dims: [ 2 ] } ]
instance_group [ { count: %d kind: KIND_CPU } ]
"""
CODE = """import importlib.metadata
import numpy as np
import triton_python_backend_utils as pb
try:
    import colour
    said = colour.__version__ + " " + importlib.metadata.version("colour")
except ImportError as error:
    said = str(error)
class TritonPythonModel:
    def execute(self, requests):
        told = np.array([said, np.__version__], np.object_)
        return [pb.InferenceResponse([pb.Tensor("Y", told)]) for _ in requests]
"""


def make_model(folder: Path, requirements: str = "", *, instances: int = 2) -> Path:
    """A model that answers with the versions of the package `colour` and of NumPy that it sees."""
    (folder / "1").mkdir(parents=True, exist_ok=True)
    (folder / "config.pbtxt").write_text(CONFIG % instances)
    (folder / "1" / "model.py").write_text(CODE)
    if requirements:
        (folder / "requirements.txt").write_text(requirements)
    return folder


def numpy_wheel(python: str) -> Path:
    """A folder with the wheel of NumPy 1 for a Python, from the index when first asked for."""
    folder = default_cache() / "for-tests" / python
    if not list(folder.glob("*.whl")):
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
        pip += ["--platform", NUMPY_TAG, "--python-version", python, "--dest", str(folder), NUMPY]
        subprocess.run(pip, check=True, capture_output=True)
    return folder


def make_wheel(
    folder: Path,
    name: str,
    version: str,
    files: Mapping[str, str] | None = None,
    *,
    requires: Sequence[str] = (),
    tag: str = "py3-none-any",
    executable: str = "",
) -> Path:
    """A wheel whose package is one module that knows its version, or has these files."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    content = {
        **(files or {f"{module}/__init__.py": f"__version__ = {version!r}\n"}),
        f"{info}/METADATA": metadata + "".join(f"Requires-Dist: {one}\n" for one in requires),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: suite\nRoot-Is-Purelib: true\nTag: {tag}\n",
        f"{info}/RECORD": "",
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{module}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for place, text in sorted(content.items()):
            entry = zipfile.ZipInfo(place)
            entry.external_attr = (0o755 if place == executable else 0o644) << 16
            archive.writestr(entry, text)
    return path


def only_from(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    """Let pip know these folders and no index."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", " ".join(map(str, folders)))


def without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pip know an index that cannot be reached, and nothing else."""
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", NOWHERE)
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
