"""An image of the suite's own: the real Triton that distctl pushes, with the least of a system around it.

It has what NVIDIA's image has as far as distctl can tell: tritonserver under /opt/tritonserver, an
environment of its own (PATH, LD_LIBRARY_PATH), python with NumPy 1, a shell. One layer, made once and kept;
an image is that layer and a small configuration, so that another tag with another digest costs nothing.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from distctl.adapters.artifacts import Artifacts

HOME = Path.home() / ".cache/distctl-test/images"
LAYOUT = "2"  # raised when the layer is made in another way
TRITON = "/opt/tritonserver"
# The python backend starts its stubs by bash; what our own stub calls stands behind those.
TOOLS = (
    *("sh", "bash", "cat", "mkdir", "ls", "env", "sleep", "rm"),
    *("chmod", "ln", "mktemp", "mv", "tr", "uname"),
)
# What tritonserver, its python backend and NumPy want, beside what programs of the system do.
LIBRARIES = (
    *("libz.so.1", "libstdc++.so.6", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0", "libdl.so.2"),
    *("librt.so.1", "libutil.so.1", "libresolv.so.2"),
)
ENVIRONMENT = (
    f"PATH={TRITON}/bin:/usr/local/bin:/usr/bin:/bin",
    f"LD_LIBRARY_PATH={TRITON}/lib",
    "SUITE_IMAGE=yes",
)
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_ACCOUNTS = "root:x:0:0:root:/root:/bin/sh\n"


@dataclass(frozen=True)
class Blob:
    """Some bytes by their digest: in a file, or in memory."""

    digest: str
    size: int
    content: bytes | Path

    def read(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()


@dataclass(frozen=True)
class Picture:
    """A whole image: its layers, its configuration, its manifest."""

    layers: tuple[Blob, ...]
    config: Blob
    manifest: Blob

    @property
    def digest(self) -> str:
        return self.manifest.digest

    @property
    def blobs(self) -> tuple[Blob, ...]:
        return (*self.layers, self.config)


def blob(content: bytes) -> Blob:
    """Bytes as a blob."""
    return Blob(f"sha256:{hashlib.sha256(content).hexdigest()}", len(content), content)


def picture(
    version: str = "1", *, ballast: int = 0, layers: Iterable[tuple[Blob, str]] | None = None
) -> Picture:
    """An image whose digest no other version has; `ballast` adds bytes that do not shrink."""
    parts = list(triton_layer() if layers is None else layers)
    if ballast:
        parts.append(_ballast(version, ballast))
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": list(ENVIRONMENT), "Labels": {"suite.version": version}, "Cmd": ["sh"]},
        "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in parts]},
        "history": [{"created_by": "suite"} for _ in parts],
    }
    written = blob(json.dumps(config, sort_keys=True).encode())
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": written.digest, "size": written.size},
        "layers": [{"mediaType": LAYER, "digest": b.digest, "size": b.size} for b, _ in parts],
    }
    return Picture(tuple(b for b, _ in parts), written, blob(json.dumps(manifest, sort_keys=True).encode()))


def _ballast(version: str, size: int) -> tuple[Blob, str]:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        info = tarfile.TarInfo(f"ballast-{version}")
        info.size = size
        archive.addfile(info, io.BytesIO(os.urandom(size)))
    diff = f"sha256:{hashlib.sha256(raw.getvalue()).hexdigest()}"
    return blob(gzip.compress(raw.getvalue(), 1)), diff


def triton_layer() -> list[tuple[Blob, str]]:
    """The layer with Triton in it, and its uncompressed digest; made when first asked for, and kept."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    runtime = Artifacts.from_environment().runtime(python)
    folder = HOME / f"{LAYOUT}-{runtime.digest}"
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / "layer.json"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not note.exists():
            note.write_text(json.dumps(_make(folder, runtime.path, python)))
    known = json.loads(note.read_text())
    return [(Blob(known["digest"], known["size"], folder / "layer.tar.gz"), known["diff"])]


def _make(folder: Path, runtime: Path, python: str) -> dict[str, object]:
    """Write the layer as a .tar.gz, quickly packed; what comes back are its digests and size."""
    path, plain = folder / "layer.tar.gz", hashlib.sha256()
    with (
        gzip.open(path, "wb", compresslevel=1) as packed,
        tarfile.open(fileobj=_Counted(packed, plain), mode="w|") as archive,
    ):
        _fill(archive, runtime, python)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"digest": f"sha256:{digest}", "size": path.stat().st_size, "diff": f"sha256:{plain.hexdigest()}"}


class _Counted:
    """Passes on what is written, hashed on the way."""

    def __init__(self, target: gzip.GzipFile, digest: hashlib._Hash) -> None:
        self._target, self._digest = target, digest

    def write(self, data: bytes) -> int:
        self._digest.update(data)
        return self._target.write(data)


def _fill(archive: tarfile.TarFile, runtime: Path, python: str) -> None:
    for name in ("tmp", "root", "proc", "sys", "dev", "etc", "run", "var", "usr/bin", "usr/lib", "usr/lib64"):
        _folder(archive, name)
    for name in ("bin", "lib", "lib64"):
        _link(archive, name, f"usr/{name}")
    _text(archive, "etc/passwd", _ACCOUNTS)
    _text(archive, "etc/hosts", "127.0.0.1 localhost\n")
    binaries = []
    with tarfile.open(runtime) as unpacked:
        for member in unpacked:
            inside = member.name.removeprefix("python/site-packages/")
            own = inside != member.name
            member.name = (
                f"usr/lib/python3/dist-packages/{inside}" if own else f"opt/tritonserver/{member.name}"
            )
            archive.addfile(member, unpacked.extractfile(member))
    library = Path(f"/usr/lib/python{python}")
    for file in sorted(library.rglob("*")):
        inside = file.relative_to(library)
        if file.is_file() and not {"test", "idlelib", "tkinter", "ensurepip", "lib2to3"} & set(inside.parts):
            archive.add(file.resolve(), arcname=str(file)[1:])
            binaries += [file] if file.suffix == ".so" else []
    for tool in (*TOOLS, f"python{python}"):
        found = Path("/usr/bin") / tool
        archive.add(found.resolve(), arcname=f"usr/bin/{tool}")
        binaries.append(found.resolve())
    _link(archive, "usr/bin/python3", f"python{python}")
    wanted = [*_libraries(binaries), *_named(f"libpython{python}.so.1.0", *LIBRARIES)]
    for path in sorted({*wanted, *_libraries([Path(p) for p in wanted])}):
        archive.add(Path(path).resolve(), arcname=_merged(path)[1:])


def _libraries(binaries: list[Path]) -> Iterator[str]:
    """What the loader needs for some programs."""
    said = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=False).stdout
    yield from re.findall(r"(/\S+) \(0x", said)


def _named(*names: str) -> Iterator[str]:
    said = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    for name in names:
        yield re.findall(rf"^\s*{re.escape(name)} .*x86-64.* => (\S+)", said, re.MULTILINE)[0]


def _merged(path: str) -> str:
    return path if path.startswith("/usr/") else f"/usr{path}"


def _folder(archive: tarfile.TarFile, name: str) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
    archive.addfile(info)


def _link(archive: tarfile.TarFile, name: str, target: str) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    archive.addfile(info)


def _text(archive: tarfile.TarFile, name: str, text: str) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(text)
    archive.addfile(info, io.BytesIO(text.encode()))
