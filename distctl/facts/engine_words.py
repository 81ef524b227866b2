"""What docker and podman say when something is wrong, in plain words and with a remedy.

Their exit statuses tell nothing apart (docker: 1, podman: 125, for all of these), so the text is all there
is. What no pattern knows is shown as it was said.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong, and what to do about it."""

    problem: str
    hint: str = ""
    lasting: bool = False  # it will be so until somebody changes the account's rights


# In this order: a registry that refuses a login also says that the image may not exist.
_PERMISSION = "the account may not use docker's socket"
_WORDS: tuple[tuple[str, str, str], ...] = (
    (
        r"permission denied while trying to connect|dial unix .*permission denied",
        _PERMISSION,
        "sudo usermod -aG docker {account} and log in anew, or set `ssh.become`, or use podman",
    ),
    (
        r"cannot connect to the docker daemon|is the docker daemon running|docker\.sock: no such file",
        "docker's daemon does not run",
        "sudo systemctl enable --now docker",
    ),
    (
        r"no space left on device|not enough space|disk quota exceeded",
        "no space left where {engine} keeps images",
        "free space there (`{engine} system df` shows what takes it), or move its storage",
    ),
    (
        r"digest .*did not match|digests? (mismatch|does not match)|does not match .*digest|wrong digest"
        r"|mismatching .*digest|failed size validation|unexpected commit digest",
        "what came is not what the digest says",
        "the registry or a mirror on the way is damaged: try again, then ask who runs it",
    ),
    (
        r"unauthorized|authentication required|access denied|denied:|incorrect username or password"
        r"|invalid username/password|forbidden|unable to retrieve auth token",
        "the registry refuses us",
        "check `runtime.login` (user, password) and that this account may read the image",
    ),
    (
        r"manifest unknown|manifest for .* not found|name unknown|repository .* not (found|exist)"
        r"|repository name not known|no such image|404 \(not found\)|: not found",
        "there is no such image in the registry",
        "correct `runtime.image`",
    ),
    (
        r"no such host|connection (refused|reset)|i/o timeout|network is unreachable|no route to host"
        r"|server misbehaving|tls handshake|x509:|unexpected eof|: eof|http response to https client"
        r"|context deadline exceeded|connection timed out|50[0-9] (bad|service|gateway)",
        "the node does not reach the registry",
        "check its network and proxy: {engine} pull IMAGE by hand there",
    ),
    (
        r"could not select device driver|nvidia-container-cli|unresolvable cdi|nvidia\.com/gpu"
        r"|unknown device",
        "{engine} could not give the GPUs to the container",
        "distctl doctor",
    ),
    (
        r"name .*is already in use",
        "a container of that name is there already and is not ours",
        "rename or remove it: it is left alone",
    ),
    (
        r"setting rlimit|error setting rlimits|operation not permitted.*rlimit",
        "the limits that are asked for are above those of the account",
        "lower `runtime.ulimits`, or run with `ssh.become`",
    ),
    (r"subuid|subgid|newuidmap", "rootless podman has no range of user ids", "sudo apt-get install uidmap"),
)


def explain(engine: str, said: str, *, account: str = "") -> Trouble:
    """What an engine's output means; its last line where no pattern knows it."""
    for pattern, problem, hint in _WORDS:
        if re.search(pattern, said, re.IGNORECASE):
            words = {"engine": engine, "account": account or "$USER"}
            return Trouble(problem.format(**words), hint.format(**words), problem == _PERMISSION)
    lines = [line for line in said.splitlines() if line.strip()]
    return Trouble(f"{engine}: {lines[-1].strip()}" if lines else f"{engine} said nothing")
