"""Which keys of `runtime` mean something to which kind of it."""

from __future__ import annotations

from collections.abc import Iterable

DEFAULT = "binary"
KEYS: dict[str, tuple[str, ...]] = {
    "external": (),
    "binary": ("path", "python", "environment", "arguments"),
    "container": (
        *("python", "environment", "arguments", "engine", "image", "login", "network", "ipc", "shm"),
        *("ulimits", "volumes", "engine_arguments"),
    ),
}
ALONE = frozenset(KEYS["container"]) - frozenset(KEYS["binary"])
"""Keys of a container alone."""


def useless(kind: str, keys: Iterable[str]) -> str | None:
    """The first of some keys that has no effect for a kind; None if all have."""
    return next((key for key in keys if key not in KEYS[kind]), None)
