"""Which file is the inventory: -i, then DISTCTL_INVENTORY, ./cluster.yaml, the only file in ./inventory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from distctl.errors import InputError

VARIABLE = "DISTCTL_INVENTORY"


def find(explicit: Path | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """The inventory that is meant, relative ones joined to `cwd`. Whether it can be read is `load`'s matter.

    Raises InputError when none is named and none, or more than one, is found.
    """
    if explicit is not None:
        return cwd / explicit.expanduser()
    if named := environ.get(VARIABLE, ""):
        return _named(cwd / Path(named).expanduser())
    if (plain := cwd / "cluster.yaml").is_file():
        return plain
    found = sorted((cwd / "inventory").glob("*.yaml"))
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(f"inventory/{file.name}" for file in found)
        raise InputError(f"several inventories: {names}", hint=f"choose one: -i inventory/{found[0].name}")
    raise InputError(
        "no inventory: there is no ./cluster.yaml and no *.yaml in ./inventory",
        hint=f"begin one with `distctl init NODE...`, or name it with -i FILE or {VARIABLE}",
    )


def _named(file: Path) -> Path:
    if not file.is_file():
        raise InputError(f"{VARIABLE} names {file}, which is no file", hint=f"correct or unset {VARIABLE}")
    return file
