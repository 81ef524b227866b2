"""A controller in the background: a unit like a server or a router, on the machine of the record.

The same small supervisor keeps it running and its log bounded, below systemd where there is one that
survives logins, else detached. Its folder is `.distctl/controller/CLUSTER/units/controller`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from distctl.adapters.artifacts import WHEEL_VARIABLE
from distctl.adapters.local import LocalConnector
from distctl.cluster.spec import Connection, Node
from distctl.commands import units
from distctl.commands.files import quote
from distctl.config import Inventory
from distctl.errors import CommandFailed
from distctl.facts import services

# What a controller needs of the environment of whoever began it; systemd gives it none of them.
KEPT = (
    *("HOME", "PATH", "USER", "LOGNAME", "LANG", "SSH_AUTH_SOCK"),
    *("XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "DISTCTL_CACHE", WHEEL_VARIABLE),
)
LOG_BYTES, LOG_KEEP = 8 * 1024 * 1024, 3
SPARE = 30.0  # seconds that a script may take beside what it waits for


def unit_of(inventory: Inventory) -> units.Unit:
    """The unit of a cluster's controller here."""
    root = inventory.file.absolute().parent / ".distctl" / "controller" / inventory.spec.cluster
    return units.Unit(str(root), "controller", stop_seconds=120.0, log_bytes=LOG_BYTES, log_keep=LOG_KEEP)


def run_script(inventory: Path, environ: Mapping[str, str], *words: str, python: str = sys.executable) -> str:
    """The start script of a controller; `words` are options of its command. Pure."""
    kept = [f"export {name}={quote(environ[name])}" for name in KEPT if name in environ]
    options = " ".join(map(quote, ("-i", str(inventory), *words)))
    command = f"exec {quote(python)} -m distctl controller run {options}"
    return "\n".join(["#!/bin/sh", *kept, f"cd {quote(str(inventory.parent))} || exit 1", command, ""])


def start(inventory: Inventory, *words: str) -> units.Manager:
    """Start it unless it runs, and say who keeps it running. Raises CommandFailed."""
    unit, manager = unit_of(inventory), _manager()
    script = units.install(unit, run_script(inventory.file.absolute(), os.environ, *words))
    _run(script + units.start(unit, manager), "starting the controller", SPARE)
    return manager


def stop(inventory: Inventory, seconds: float) -> None:
    """Stop it if there is one: it ends between two steps, and is killed after `seconds`."""
    unit = unit_of(inventory)
    if Path(unit.folder).is_dir():
        _run(units.stop(unit, seconds, _manager()), "stopping the controller", seconds + SPARE)


def _manager() -> units.Manager:
    here = services.parse_services(_run(services.PROBES[0].script, "looking for systemd", SPARE))
    return units.manager_for({**here, "uid": str(os.geteuid())}, become=False)


def _run(script: str, tried: str, deadline: float) -> str:
    node = Node("local", Connection.LOCAL, "127.0.0.1", "127.0.0.1")
    result = LocalConnector(node).run(script, tried=tried, deadline=deadline)
    if result.status:
        output = (result.stderr or result.stdout).splitlines()[-20:]
        raise CommandFailed("this machine", tried, result.status, output=output)
    return result.stdout
