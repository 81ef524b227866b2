"""Wheels made by hand, the same bytes each time, in a folder that pip takes them from."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

NOWHERE = "http://127.0.0.1:9/simple"  # nobody listens on the port that was meant for `discard`


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
