"""An API key as everything but its holder knows it: by its name and its digest."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """A key's terms. The key itself was shown once, when it was made, and is kept nowhere."""

    name: str
    digest: str  # SHA-256 of the key, 64 lower-case hex digits
    rate: int = 0  # requests a second in each router; 0 is without limit
    concurrency: int = 0  # requests at once in each router; 0 is without limit
    models: tuple[str, ...] = ()  # those that it may use; () is all
    by: str = ""
    since: float = 0.0
