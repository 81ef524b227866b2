"""Runtimes, environments and models, pushed to a node: only what is not there yet, whole or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

from distctl.adapters.node_change import Changes
from distctl.cluster.content import Archive, FileEntry, Folder
from distctl.commands import stored
from distctl.commands.files import quote
from distctl.commands.paths import NodePaths
from distctl.errors import NodeError
from distctl.ports import Connector, Progress, Result, Upload

SLOWEST = 256 * 1024  # bytes a second; below that a copy is taken for hung
PATIENCE = 60.0  # seconds for everything that does not depend on the size


class NodeDepot:
    """Fulfils `ports.Depot` for one node."""

    def __init__(
        self, node: str, connector: Connector, changes: Changes, paths: Callable[[], NodePaths]
    ) -> None:
        self._node, self._connector, self._changes, self._paths = node, connector, changes, paths
        self._run = secrets.token_hex(4)  # names what this process copies

    def install(self, archive: Archive, *, progress: Progress | None = None) -> None:
        """Put an archive's content there, unless it is there; see `ports.Depot`."""
        paths, tried = self._paths(), f"installing {archive.kind.name.lower()} {archive.digest}"
        there = self._changes.run(
            f"if [ -d {quote(paths.unpacked(archive.kind, archive.digest))} ]; then echo there; exit 0; fi\n"
            + stored.room(paths, archive.size + archive.unpacked)
            + stored.take_over(paths, self._run),
            tried=tried,
        )
        self._checked(there, tried, archive.size + archive.unpacked)
        if there.stdout.strip() == "there":
            return
        target = f"{paths.incoming(self._run)}/{archive.digest}.tar.gz"
        self._put([Upload(archive.path, target, 0o600)], archive.size, progress)
        unpacked = self._changes.run(
            stored.unpack(paths, archive.kind, archive.digest, target),
            tried=tried,
            deadline=_deadline(archive.unpacked),
        )
        self._checked(unpacked, tried, archive.unpacked)

    def push(self, model: str, folder: Folder, *, progress: Progress | None = None) -> None:
        """Put a model's folder there, only the files that no stored version has; see `ports.Depot`."""
        paths, digest = self._paths(), folder.digest
        tried = f"pushing {model} {digest}"
        asked = self._changes.run(
            f"if [ -d {quote(paths.model(model, digest))} ]; then exit 0; fi\n"
            + stored.missing_files(paths, self._run, model, folder.files),
            tried=tried,
            deadline=_deadline(folder.size),
        )
        self._checked(asked, tried, folder.size)
        missing = set(asked.stdout.split())
        new = [file for file in _once(folder.files) if file.sha256 in missing]
        if new:
            size = sum(file.size for file in new)
            self._checked(self._changes.run(stored.room(paths, size), tried=tried), tried, size)
            self._put(
                [
                    Upload(folder.source(file), stored.upload_of(paths, self._run, model, file.sha256))
                    for file in new
                ],
                size,
                progress,
            )
        placed = self._changes.run(
            stored.place_model(paths, self._run, model, digest, folder.files),
            tried=tried,
            deadline=_deadline(folder.size),
        )
        self._checked(placed, tried, folder.size)

    def prune(
        self,
        keep_models: Mapping[str, frozenset[str]],
        keep_runtimes: frozenset[str],
        keep_environments: frozenset[str] = frozenset(),
    ) -> None:
        """Remove every stored content that is not named; see `ports.Depot`."""
        script = stored.prune(self._paths(), keep_models, keep_runtimes, keep_environments)
        self._changes.must(script, tried="removing what is no longer used")

    def _put(self, uploads: list[Upload], size: int, progress: Progress | None) -> None:
        self._connector.put(uploads, deadline=_deadline(size), progress=progress)

    def _checked(self, result: Result, tried: str, needed: int) -> None:
        if result.status == stored.TOO_SMALL:
            free = int(result.stdout.split()[-1]) * 1024 if result.stdout.split() else 0
            raise NodeError(
                self._node,
                tried,
                f"the disk has {free / 1e6:.0f} MB free and {needed / 1e6:.0f} MB are needed",
                hint=f"free space below {self._paths().root}, or set `directory` of {self._node}",
            )
        if result.status == stored.DAMAGED:
            raise NodeError(
                self._node,
                tried,
                "what arrived is not what was sent; it was removed",
                output=result.stderr.splitlines()[-20:],
                hint="run the same command again; if it comes back, check the node's disk",
            )
        self._changes.check(result, tried)


def _deadline(size: int) -> float:
    return PATIENCE + size / SLOWEST


def _once(files: tuple[FileEntry, ...]) -> list[FileEntry]:
    """One file of each content: the same bytes under two names are sent once."""
    return list({file.sha256: file for file in files}.values())
