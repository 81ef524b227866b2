"""The scripts that start, stop and read a node's servers, by what they run as.

A server is a supervised process or a container. Both have the same unit folder, so that a node changes from
one to the other: whatever runs is stopped, whichever kind it is, before the other is started.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from distctl.adapters.container_settings import ImagePin, container_settings
from distctl.adapters.node_settings import RuntimeDigest, triton_settings
from distctl.cluster.spec import Node, Server
from distctl.commands import container, triton, units


@dataclass(frozen=True, slots=True)
class ServerScripts:
    """The scripts for one node as its facts are now. Pure; what changes something belongs in the fence."""

    node: Node
    root: str
    facts: Mapping[str, str]
    manager: units.Manager
    digest: RuntimeDigest
    pinned: ImagePin

    def run(self, server: Server, models: Iterable[str]) -> str:
        """The start script that comes up with these models. Raises NodeError when no server can run there."""
        return triton.run_script(self.root, server, self._settings(server), models)

    def start(self, server: Server, generation: int) -> str:
        """A script that starts the server unless it runs. Raises NodeError as `run` does."""
        unit = self._unit(server)
        if not self.node.contained:
            return f"(\n{container.stop(unit, server, 0)}) || exit 1\n{units.start(unit, self.manager)}"
        made = container_settings(self.node, server, self.facts, self.pinned)
        settings = triton.settings_digest(self.root, server, self._settings(server))
        alone = f"(\n{units.stop(unit, 0, self.manager)}) || exit 1\n"
        return alone + container.start(unit, server, made, settings, generation)

    def stop(self, server: Server, seconds: float) -> str:
        """A script that stops what the server runs as now, with everything that it started."""
        unit = self._unit(server)
        process, made = units.stop(unit, seconds, self.manager), container.stop(unit, server, seconds)
        return f"(\n{process}) || exit 1\n(\n{made}) || exit 1\n"

    def tail(self, name: str, lines: int) -> str:
        """A script that prints the last lines that a unit said."""
        unit = units.Unit(self.root, name)
        said = units.tail(unit, lines)
        server = name.removeprefix("server-")
        return said if server == name else container.tail(unit, server, lines, said)

    def _settings(self, server: Server) -> triton.TritonSettings:
        return triton_settings(self.node, server, self.facts, self.digest, self.pinned)

    def _unit(self, server: Server) -> units.Unit:
        return triton.unit(self.root, server)
