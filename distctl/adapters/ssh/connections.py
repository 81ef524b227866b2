"""All nodes of a run: which connector each needs, and what they share."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import paramiko

from distctl.adapters.local import LocalConnector
from distctl.adapters.ssh.auth import Secret
from distctl.adapters.ssh.config import SshConfig, load
from distctl.adapters.ssh.connector import SshConnector
from distctl.adapters.ssh.dialing import handshake, shown_key
from distctl.adapters.ssh.host_keys import ShownKey, known, save
from distctl.adapters.ssh.links import Links, unreachable
from distctl.adapters.ssh.route import Account, Route, resolve
from distctl.cluster.spec import Connection, Node

_SYSTEM_CONFIG = Path("/etc/ssh/ssh_config")


class Connections:
    """Makes connectors and owns every connection behind them; a context manager.

    `secret` reads a secret when it is needed; `warn` is told what of ssh_config was ignored, once a file.
    """

    def __init__(
        self, *, secret: Secret, warn: Callable[[str], None], account: Account | None = None
    ) -> None:
        self._secret, self._warn = secret, warn
        self._account = account or Account(getpass.getuser(), Path.home())
        self._links = Links(secret)
        self._configs: dict[Path | None, SshConfig] = {}
        self._connectors: dict[str, LocalConnector | SshConnector] = {}

    def connector(self, node: Node) -> LocalConnector | SshConnector:
        """The node's connector, the same one each time. Raises InputError for an ssh_config that is wrong."""
        if node.name not in self._connectors:
            local = node.connection is Connection.LOCAL
            self._connectors[node.name] = (
                LocalConnector(node, self._secret)
                if local
                else SshConnector(node, self.route(node), self._links, self._secret)
            )
        return self._connectors[node.name]

    def shell(self, node: Node) -> int:
        """A shell on a node, joined to this terminal; its exit status. Raises Unreachable."""
        return self.connector(node).shell()

    def route(self, node: Node) -> Route:
        """The hops to a node, for `doctor` and for errors."""
        return resolve(node, self._config(node.ssh.config), self._account)

    def fetch_host_key(self, node: Node) -> ShownKey | None:
        """The key of the first hop to a node that is not known yet; None when all are known.

        A hop can be asked only through those before it, so `trust` asks again after each. Raises Unreachable,
        HostKeyChanged.
        """
        route = self.route(node)
        for count in range(1, len(route.hops) + 1):
            part = Route(route.hops[:count])
            if not known(part.hops[-1]).keys:
                return self._show(part, node)
            if count < len(route.hops):
                self._links.transport(part, node.name, timeout=node.timeouts.connect)
        return None

    def trust(self, shown: ShownKey) -> None:
        """Make a key known that the user has said yes to. Raises InputError if it cannot be written."""
        save(shown.hop, shown.key)

    def close(self) -> None:
        """Close every connection."""
        for connector in self._connectors.values():
            connector.close()
        self._links.close()

    def __enter__(self) -> Connections:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _config(self, path: Path | None) -> SshConfig:
        """A config file instead of the usual ones stands alone, as with `ssh -F`."""
        if path not in self._configs:
            usual = (self._account.home / ".ssh" / "config", _SYSTEM_CONFIG)
            files = (path,) if path else usual
            self._configs[path] = load(files, home=self._account.home, warn=self._warn)
        return self._configs[path]

    def _show(self, route: Route, node: Node) -> ShownKey:
        timeout = node.timeouts.connect
        hop = route.hops[-1]
        via = self._links.through(route, node.name, timeout=timeout)
        with self._links.starting(route):
            try:
                transport = handshake(hop, via, timeout=timeout)
            except (OSError, EOFError, paramiko.SSHException) as error:
                raise unreachable(node.name, route, error) from error
        try:
            return ShownKey(hop, shown_key(transport))
        finally:
            transport.close()
