"""The way to a node: which hops, as whom, with which keys. Pure, so that every rule is a line of a table.

Inventory over ssh_config over OpenSSH's defaults. Hops that the inventory writes share its user, key and
known_hosts unless they or ssh_config say otherwise; hops that ssh_config writes are as OpenSSH has them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from distctl.adapters.ssh.config import SshConfig
from distctl.cluster.spec import Node, SecretRef, SshSettings
from distctl.errors import InputError

_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
_LAST_PORT = 65535
_GLOBAL_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs distctl: what OpenSSH's defaults and tokens stand on."""

    user: str
    home: Path


@dataclass(frozen=True, slots=True)
class Hop:
    """One ssh connection of a route."""

    name: str  # as written by the user
    host: str
    port: int
    user: str
    keys: tuple[Path, ...] = ()  # named by the user, to be tried first
    default_keys: tuple[Path, ...] = ()  # tried last, where they exist
    agent: str | None = None  # a socket's path; "" for the environment's; None for no agent
    only_named: bool = False  # IdentitiesOnly: of the agent's keys only those that `keys` names
    known_hosts: tuple[Path, ...] = ()  # the first is where new keys are written
    global_known_hosts: tuple[Path, ...] = ()
    key_name: str = ""  # the name under which known_hosts has it, when that is not host and port
    proxy_command: str | None = None
    password: SecretRef | None = None
    accept_new: bool = False

    @property
    def known_as(self) -> str:
        """The name in known_hosts."""
        if self.key_name:
            return self.key_name
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"  # noqa: PLR2004

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Route:
    """The hops to a node in order; the last one is the node."""

    hops: tuple[Hop, ...]

    def __str__(self) -> str:
        return " via ".join(str(hop) for hop in reversed(self.hops))

    @property
    def before(self) -> Route | None:
        """The way to the last jump host, None when there is none."""
        return Route(self.hops[:-1]) if len(self.hops) > 1 else None


def resolve(node: Node, config: SshConfig, account: Account) -> Route:
    """The route to a node. Raises InputError for a jump that is no [user@]host[:port] or leads to itself."""
    ssh = node.ssh
    found = config.lookup(node.address)
    hop = _hop(node.address, found, account, user=ssh.user, port=ssh.port, ssh=ssh, password=ssh.password)
    if ssh.jump is None:
        return Route((*_jumps(found, config, account, ssh, (hop.name,)), hop))
    hop = _without_command(hop)
    before = _chain(ssh.jump, config, account, ssh, (hop.name,), shared=ssh)
    return Route((*before, hop))


def _jumps(
    found: Mapping[str, tuple[str, ...]],
    config: SshConfig,
    account: Account,
    ssh: SshSettings,
    seen: tuple[str, ...],
) -> tuple[Hop, ...]:
    """The hops that ssh_config's ProxyJump names for a host that was looked up."""
    words = ",".join(found.get("proxyjump", ())).split(",")
    jumps = tuple(word for word in words if word)
    if not jumps or jumps == ("none",):
        return ()
    return _chain(jumps, config, account, ssh, seen, shared=None)


def _chain(
    jumps: tuple[str, ...],
    config: SshConfig,
    account: Account,
    ssh: SshSettings,
    seen: tuple[str, ...],
    *,
    shared: SshSettings | None,
) -> tuple[Hop, ...]:
    """Hops in order. As in OpenSSH only the first one's own ProxyJump or ProxyCommand counts."""
    hops: list[Hop] = []
    for index, jump in enumerate(jumps):
        user, name, port = parse_jump(jump)
        if name in seen:
            raise InputError(f"ssh: jumps go in a circle: {' -> '.join((*seen, name))}")
        found = config.lookup(name)
        written = "".join(found.get("user", ())) or None
        user = user or written or (shared.user if shared else None)
        hop = _hop(name, found, account, user=user, port=port, ssh=shared or _only_hosts(ssh))
        if index == 0:
            hops += _jumps(found, config, account, ssh, (*seen, name))
        hops.append(hop if not hops else _without_command(hop))
    return tuple(hops)


def _only_hosts(ssh: SshSettings) -> SshSettings:
    """What the inventory says of host keys, which holds for every hop."""
    return SshSettings(known_hosts=ssh.known_hosts, host_keys=ssh.host_keys)


def _hop(
    name: str,
    found: Mapping[str, tuple[str, ...]],
    account: Account,
    *,
    user: str | None,
    port: int | None,
    ssh: SshSettings,
    password: SecretRef | None = None,
) -> Hop:
    host = _first(found, "hostname", name).replace("%h", name)
    port = port or _port(_first(found, "port", "22"), name)
    user = user or _first(found, "user", account.user)
    tokens = {"h": host, "n": name, "p": str(port), "r": user, "u": account.user, "d": str(account.home)}
    keys = ((ssh.key,) if ssh.key else ()) + _paths(found.get("identityfile", ()), tokens)
    command = _first(found, "proxycommand", "none")
    ssh_folder = account.home / ".ssh"
    return Hop(
        name=name,
        host=host,
        port=port,
        user=user,
        keys=keys,
        default_keys=() if keys else tuple(ssh_folder / key for key in _DEFAULT_KEYS),
        agent=_agent(found, tokens),
        only_named=_first(found, "identitiesonly", "no").lower() == "yes",
        known_hosts=_known_hosts(found, ssh, tokens, ssh_folder),
        global_known_hosts=()
        if ssh.known_hosts
        else _paths(found.get("globalknownhostsfile", _GLOBAL_KNOWN_HOSTS), tokens),
        key_name=_first(found, "hostkeyalias", ""),
        proxy_command=None if command.lower() == "none" else expand(command, tokens),
        password=password,
        accept_new=ssh.host_keys == "accept-new",
    )


def _port(text: str, name: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= _LAST_PORT:
        raise InputError(f"ssh_config: Port of {name} is not a port: {text}")
    return int(text)


def _agent(found: Mapping[str, tuple[str, ...]], tokens: Mapping[str, str]) -> str | None:
    """IdentityAgent names another agent than the environment's, or none."""
    where = _first(found, "identityagent", "SSH_AUTH_SOCK")
    if where.lower() == "none":
        return None
    return "" if where == "SSH_AUTH_SOCK" else str(_paths((where,), tokens)[0])


def _known_hosts(
    found: Mapping[str, tuple[str, ...]], ssh: SshSettings, tokens: Mapping[str, str], folder: Path
) -> tuple[Path, ...]:
    if ssh.known_hosts:
        return (ssh.known_hosts,)
    default = (str(folder / "known_hosts"), str(folder / "known_hosts2"))
    return _paths(found.get("userknownhostsfile", default), tokens)


def _without_command(hop: Hop) -> Hop:
    return replace(hop, proxy_command=None)


def _first(found: Mapping[str, tuple[str, ...]], key: str, default: str) -> str:
    return found[key][0] if found.get(key) else default


def _paths(words: tuple[str, ...], tokens: Mapping[str, str]) -> tuple[Path, ...]:
    """File names with their tokens expanded; `none` is no file."""
    kept = [word for word in words if word.lower() != "none"]
    return tuple(Path(re.sub(r"^~(?=/|$)", tokens["d"], expand(word, tokens))) for word in kept)


def expand(text: str, tokens: Mapping[str, str]) -> str:
    """Replace %h and the like, and %% by a percent sign; a token that is not known stays as it is."""
    return re.sub(r"%([%A-Za-z])", lambda match: {**tokens, "%": "%"}.get(match[1], match[0]), text)


def parse_jump(text: str) -> tuple[str | None, str, int | None]:
    """User, name and port of `[user@]host[:port]`, of `[user@][IPv6]:port` or of an ssh:// URL."""
    body = text.strip().removeprefix("ssh://")
    try:
        parts = urlsplit(f"//{body}")
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    host = parts.netloc.rpartition("@")[2]
    name = host[1 : host.index("]")] if host.startswith("[") and "]" in host else host.partition(":")[0]
    if not name or any(letter.isspace() for letter in body) or (body.count(":") > 1 and "[" not in body):
        raise InputError(f"ssh: not a jump host: {text!r}", hint="write [user@]host[:port]")
    return parts.netloc.rpartition("@")[0] or None, name, port
