"""What an opened cluster puts on its nodes: models with what they need, runtimes, start scripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from distctl.cluster.content import Archive, Folder
from distctl.cluster.snapshot import Snapshot
from distctl.cluster.spec import Node, ServerId
from distctl.errors import InputError
from distctl.policy.wish import Wish

if TYPE_CHECKING:
    from distctl.app.session import Session


class Contents:
    """Of one session. Each folder is read once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._folders: dict[str, Folder] = {}

    def source(self, model: str) -> Path | None:
        """A model's folder here; None when it is none of the inventory's or lies on the nodes."""
        for spec in self._session.spec.models:
            if spec.name == model and spec.source.kind == "folder":
                return Path(spec.source.path)
        return None

    def folder(self, model: str) -> Folder:
        """A model's files, read once, with what its needs add to them."""
        from distctl.adapters.folders import furnished, read_folder

        if model not in self._folders:
            source = self.source(model)
            if source is None:
                raise InputError(f"{model} has no folder here")
            self._folders[model] = read_folder(source)
        lock = self._session.needs.locks.get(model)
        return furnished(self._folders[model], lock) if lock else self._folders[model]

    def content(self, model: str) -> str:
        """The digest of a model's files, "" when they lie on the nodes."""
        return self.folder(model).digest if self.source(model) is not None else ""

    def runtime(self, node: Node, facts: Mapping[str, str]) -> str:
        """The digest of the runtime that a node needs, "" for none. Raises NodeError."""
        from distctl.adapters.node_settings import runtime_of

        return runtime_of(
            node, facts, self._session.parts.artifacts.digest, self._session.parts.images.pinned
        )

    def archive(self, digest: str) -> Archive:
        """The runtime or the environment of that digest, built if need be. Raises DistctlError, KeyError."""
        from distctl.cluster.needs import PYTHONS

        for python in PYTHONS:
            if self._session.parts.artifacts.digest(python) == digest:
                return self._session.parts.artifacts.runtime(python)
        return self._session.needs.archive(digest)

    def with_scripts(self, wish: Wish, snapshot: Snapshot) -> Wish:
        """The wish with the digests of every start script, for nodes that could be looked at."""
        import hashlib

        from distctl.adapters.node_settings import triton_settings
        from distctl.commands.triton import run_script, settings_digest

        settings: dict[ServerId, str] = {}
        scripts: dict[ServerId, str] = {}
        for node in self._session.spec.nodes:
            sight = snapshot.nodes.get(node.name)
            if node.external or sight is None or not sight.reachable:
                continue
            root = sight.facts.get("root", "")
            for server in node.servers:
                parts = self._session.parts
                how = triton_settings(node, server, sight.facts, parts.artifacts.digest, parts.images.pinned)
                settings[server.id] = settings_digest(root, server, how)
                script = run_script(root, server, how, wish.models_of(server.id))
                scripts[server.id] = hashlib.sha256(script.encode()).hexdigest()
        return replace(wish, settings=settings, scripts=scripts)

    @cached_property
    def configs(self) -> dict[str, str]:
        """The config.pbtxt of each model with a folder here that has one."""
        folders = {model.name: self.source(model.name) for model in self._session.spec.models}
        files = {name: folder / "config.pbtxt" for name, folder in folders.items() if folder}
        return {
            name: file.read_text(encoding="utf-8", errors="replace")
            for name, file in files.items()
            if file.is_file()
        }

    @cached_property
    def on_nodes(self) -> dict[str, str]:
        """The models whose folders lie on nodes, with their paths there."""
        models = self._session.spec.models
        return {model.name: model.source.path for model in models if model.source.kind == "node"}
