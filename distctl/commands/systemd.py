"""systemd units for the supervisor: rendered text, and the scripts that enable and disable one.

A unit's name carries cluster, node and a digest of the root, so that two clusters, or one cluster in two
folders, can live on one machine and under one account.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import PurePosixPath
from string import Template

from distctl.commands.files import quote, template, write

SYSTEM_UNITS = "/etc/systemd/system"


def service(root: str, name: str) -> str:
    """The name of the systemd unit of a unit, such as `distctl-prod-gpu01-server-main-1f3c9a.service`."""
    path = PurePosixPath(root)
    return f"distctl-{path.parent.name}-{path.name}-{name}-{digest_of(root)}.service"


def digest_of(root: str) -> str:
    """Six hex digits that tell a node's folder from any other on the machine."""
    return hashlib.sha256(root.encode()).hexdigest()[:6]


# What a router needs, and nothing else: its folder, the sockets that an ssh account opens, the rights to
# become nobody and to listen. What needs a manager with all rights is left out for an account's own. Kernel
# settings and control groups are closed by their paths: the options of that name mount /proc anew, and on a
# machine that is a container itself the unit would see another boot id than everybody else.
HARDENED_USER = """NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
"""
HARDENED = """ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths="$root"
ReadOnlyPaths=-/proc/sys -/sys
RuntimeDirectory=distctl
RuntimeDirectoryMode=0711
RuntimeDirectoryPreserve=yes
LogRateLimitIntervalSec=0
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_SYS_CHROOT CAP_NET_BIND_SERVICE CAP_CHOWN CAP_FOWNER
CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_KILL CAP_SYS_RESOURCE
"""


def render(
    root: str,
    name: str,
    arguments: Mapping[str, str],
    *,
    timeout: float,
    user: bool,
    hardened: bool = False,
) -> str:
    """The unit file. `arguments` are the supervisor's; `timeout` in seconds bounds a stop by systemd.

    `hardened` takes from the unit what a router does not need; a server needs devices, models anywhere and
    whatever its python backend does.
    """
    values = {key: value.replace("%", "%%").replace("$", "$$") for key, value in arguments.items()}
    folder = root.replace("%", "%%")
    lines = HARDENED_USER + ("" if user else Template(HARDENED).substitute(root=folder))
    return Template(template("systemd/unit.service")).substitute(
        values,
        hardening=lines if hardened else "",
        root=folder,
        name=name,
        timeout=math.ceil(timeout),
        target="default.target" if user else "multi-user.target",
    )


def enable(service_name: str, text: str, *, user: bool) -> str:
    """A script that writes the unit file and starts it now and at each boot (`user`: of the account)."""
    if not user:
        path = f"{SYSTEM_UNITS}/{service_name}"
        return (
            f"{write(path, text, 0o644)}systemctl daemon-reload && "
            f"systemctl enable --quiet --now {quote(service_name)} || exit 1"
        )
    return f"""{_USER}
mkdir -p "$units" && printf %s {quote(text)} > "$units/"{quote(service_name)} || exit 1
systemctl --user daemon-reload && systemctl --user enable --quiet --now {quote(service_name)} || exit 1"""


def disable(service_name: str, *, user: bool) -> str:
    """A script that stops a systemd unit and removes its file; one that is not there is no error."""
    name = quote(service_name)
    if not user:
        path = quote(f"{SYSTEM_UNITS}/{service_name}")
        return (
            f"if [ -e {path} ]; then systemctl disable --quiet --now {name}; "
            f"rm -f {path}; systemctl daemon-reload; fi"
        )
    return f"""{_USER}
if [ -e "$units/"{name} ]; then
    systemctl --user disable --quiet --now {name}; rm -f "$units/"{name}; systemctl --user daemon-reload
fi"""


# An ssh session without a login shell lacks the variable that finds the account's own systemd.
_USER = """export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/run/user/$(id -u)}"
units=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user"""
