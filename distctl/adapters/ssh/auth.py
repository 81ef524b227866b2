"""Proving who we are: named keys, a password from a secret, the agent, OpenSSH's default keys, in that order.

Named things come first, since a server closes after a few attempts (MaxAuthTries, six by default) and an
agent may hold more keys than that.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paramiko
from paramiko.agent import AgentKey, AgentSSH
from paramiko.pkey import UnknownKeyType

from distctl.adapters.ssh.route import Hop
from distctl.cluster.spec import SecretRef
from distctl.errors import Unreachable

Secret = Callable[[SecretRef], str]
Attempt = tuple[str, Callable[[paramiko.Transport], object]]


class NoIdentityAcceptedError(Exception):
    """Everything was offered and nothing was accepted; the message tells what was offered."""


def authenticate(transport: paramiko.Transport, hop: Hop, secret: Secret) -> None:
    """Log in. Raises NoIdentityAcceptedError with what was tried, or paramiko's SSHException when cut off."""
    offered: list[str] = []
    with contextlib.closing(_Agent(hop.agent)) as agent:
        for label, attempt in _attempts(hop, agent, secret, offered):
            offered.append(label)
            with contextlib.suppress(paramiko.AuthenticationException):
                attempt(transport)
            if transport.is_authenticated():
                return
            if not transport.is_active():
                break
    raise NoIdentityAcceptedError(", ".join(offered) or "no key, agent or password to offer")


def refused(node: str, hop: Hop, error: NoIdentityAcceptedError) -> Unreachable:
    """The error of a login that failed."""
    return Unreachable(
        node,
        f"logging in as {hop}",
        f"permission denied (tried {error})",
        hint="name the key in `ssh.key` or ~/.ssh/config, or add it to the agent: ssh-add FILE",
    )


def _attempts(hop: Hop, agent: _Agent, secret: Secret, notes: list[str]) -> Iterator[Attempt]:
    named = {blob for path in hop.keys if (blob := _public(path))}
    yield from _files(hop, hop.keys, notes)
    password = hop.password
    if password is not None:
        value = secret(password)
        yield "password", lambda transport: transport.auth_password(hop.user, value)
    for key in agent.get_keys():
        if not hop.only_named or key.asbytes() in named:
            yield f"agent key {key.comment or key.get_name()}", _with_key(hop.user, key)
    yield from _files(hop, [path for path in hop.default_keys if path.exists()], notes)


def _files(hop: Hop, paths: tuple[Path, ...] | list[Path], notes: list[str]) -> Iterator[Attempt]:
    for path in paths:
        try:
            key = paramiko.PKey.from_path(path)
        except OSError as error:
            notes.append(f"{path}: {error.strerror}")
        except (paramiko.PasswordRequiredException, TypeError):
            notes.append(f"{path}: needs its passphrase, so it has to be in the agent")
        except (paramiko.SSHException, ValueError, UnknownKeyType):
            notes.append(f"{path}: not a private key that can be read")
        else:
            yield str(path), _with_key(hop.user, key)


def _with_key(user: str, key: paramiko.PKey) -> Callable[[paramiko.Transport], object]:
    return lambda transport: transport.auth_publickey(user, key)


def _public(path: Path) -> bytes | None:
    """The public half of a key file, from the file beside it, to find it in the agent."""
    for candidate in (path, path.with_name(path.name + ".pub")):
        with contextlib.suppress(OSError, ValueError, IndexError, binascii.Error):
            return base64.b64decode(candidate.read_text().split()[1], validate=True)
    return None


class _Agent(AgentSSH):
    """An agent at a given socket, which paramiko's own cannot be told; no agent is one without keys."""

    def __init__(self, where: str | None) -> None:
        super().__init__()
        path = os.environ.get("SSH_AUTH_SOCK", "") if where == "" else where
        if not path:
            return
        stream = socket.socket(socket.AF_UNIX)
        try:
            stream.settimeout(10)
            stream.connect(path)
            self._wire()._connect(stream)
        except (OSError, paramiko.SSHException):
            stream.close()

    def _wire(self) -> Any:  # the types leave its private names out
        return self

    def get_keys(self) -> tuple[AgentKey, ...]:
        """Every key it holds."""
        return super().get_keys()

    def close(self) -> None:
        """Hang up."""
        self._wire()._close()
