"""Whether the machine that answers is the one that is known, and what the user is told when it is not."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from distctl.adapters.ssh.known_hosts import HostKey, Known, add, line, look_up
from distctl.adapters.ssh.route import Hop
from distctl.errors import HostKeyChanged, HostKeyUnknown, InputError

_RSA = ("rsa-sha2-512", "rsa-sha2-256")  # the algorithms of a key that is written as ssh-rsa


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A key that a hop showed and that is not known yet: what `distctl trust` asks about."""

    hop: Hop
    key: HostKey

    @property
    def kind(self) -> str:
        """The key's type, as in `ssh-ed25519`."""
        return self.key.kind

    @property
    def fingerprint(self) -> str:
        """SHA256:…, as OpenSSH prints it."""
        return self.key.fingerprint

    @property
    def line(self) -> str:
        """The line that known_hosts will have."""
        return line(self.hop.known_as, self.key)


def known(hop: Hop) -> Known:
    """What the hop's known_hosts files say of it."""
    return look_up((*hop.known_hosts, *hop.global_known_hosts), hop.known_as)


def preferred(kinds: tuple[str, ...], supported: tuple[str, ...]) -> tuple[str, ...]:
    """The supported host key algorithms with those of known keys first, as OpenSSH orders them.

    A server with several keys would else show one that nobody knows, and look like an impostor.
    """
    wanted = [name for kind in kinds for name in (_RSA if kind == "ssh-rsa" else (kind,))]
    first = tuple(name for name in wanted if name in supported)
    return (*first, *(name for name in supported if name not in first))


def verify(node: str, hop: Hop, shown: HostKey) -> None:
    """Accept a host key or raise HostKeyUnknown or HostKeyChanged; `accept-new` saves an unknown one."""
    have = known(hop)
    if shown in have.revoked:
        raise HostKeyChanged(node, f"connecting to {hop}", f"its host key is revoked: {shown}")
    if shown in have.keys:
        return
    if have.keys:
        raise _changed(node, hop, shown, have)
    if not hop.accept_new:
        raise HostKeyUnknown(
            node,
            f"connecting to {hop}",
            f"unknown host key: {shown}",
            hint=f"compare the fingerprint with the machine's own, then: distctl trust {node}",
        )
    save(hop, shown)


def save(hop: Hop, key: HostKey) -> None:
    """Make a hop's key known, in the first of its known_hosts files. Raises InputError if it has none."""
    if not hop.known_hosts:
        raise InputError(
            f"{hop.name}: no known_hosts file to write to", hint="set `ssh.known_hosts` in the inventory"
        )
    add(hop.known_hosts[0], hop.known_as, [key])


def _changed(node: str, hop: Hop, shown: HostKey, have: Known) -> HostKeyChanged:
    files = [path for path in hop.known_hosts if look_up([path], hop.known_as).keys]
    forget = "; ".join(
        f"ssh-keygen -R {shlex.quote(hop.known_as)} -f {shlex.quote(str(path))}" for path in files
    )
    listed = ", ".join(str(key) for key in have.keys)
    return HostKeyChanged(
        node,
        f"connecting to {hop}",
        f"the host key changed: known is {listed}; it shows {shown}",
        hint="somebody may be listening in, or the machine was installed anew. "
        f"If you know it was: {forget or 'remove the old line'}; distctl trust {node}",
    )
