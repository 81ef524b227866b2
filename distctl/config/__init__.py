"""The inventory: one strict file that describes one cluster, read without contacting anything.

`find` says which file is meant, `load` reads it into a spec or tells everything that is wrong with it,
`json_schema` describes it for editors. What they need is imported when they are called, since `patterns` and
`secrets` are wanted where a schema library would only cost start-up time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from distctl.config.finding import find
from distctl.config.inventory import Inventory, Origin

__all__ = ["Inventory", "Origin", "find", "json_schema", "load"]


def load(path: Path) -> Inventory:
    """Read, check and resolve an inventory; see `loading.load`. Raises InventoryError."""
    from distctl.config import loading

    return loading.load(path)


def json_schema() -> dict[str, Any]:
    """The inventory's JSON Schema, draft 2020-12."""
    from distctl.config import schema

    return schema.json_schema()
