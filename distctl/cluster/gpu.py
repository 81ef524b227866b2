"""A node's GPUs, read from its facts. Pure; what the facts do not say stays at its default.

It stands here, below `facts` and `policy`, since both read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MigDevice:
    """A part of a GPU that is a device of its own. `memory` is in bytes, 0 when it was not told."""

    index: int  # among the MIG devices of its GPU
    uuid: str  # `MIG-...`, as CUDA_VISIBLE_DEVICES takes it
    profile: str  # such as `3g.40gb`
    memory: int
    parent: int  # the index of its GPU


@dataclass(frozen=True, slots=True)
class Process:
    """A process that holds memory of a GPU, in bytes (0 when it was not told), and its forefathers' pids."""

    pid: int
    name: str
    memory: int
    parents: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Xid:
    """An error that the driver logged: its number, and how many seconds before the look."""

    number: int
    age: float


@dataclass(frozen=True, slots=True)
class Errors:
    """Memory errors of a GPU: since the driver was loaded (volatile) and in its life (aggregate).

    `remap` says what the row remapper waits for or could not do: `pending`, `failed` or both.
    """

    corrected: int = 0
    uncorrected: int = 0
    corrected_ever: int = 0
    uncorrected_ever: int = 0
    retired: int = 0  # pages or rows that were taken out of use
    remap: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU of a node. `memory` and `used` are in bytes, 0 when they were not told."""

    index: int  # as nvidia-smi counts
    uuid: str  # `GPU-...`, as CUDA_VISIBLE_DEVICES takes it
    name: str
    memory: int
    used: int = 0
    driver: str = ""
    pci: str = ""  # `0000:3b:00.0`
    capability: tuple[int, int] | None = None
    persistence: bool | None = None
    mig_enabled: bool = False
    mig: tuple[MigDevice, ...] = ()
    errors: Errors = Errors()
    throttled: tuple[str, ...] = ()  # why its clocks are held down: `hw_thermal`, `power_brake`, ...
    processes: tuple[Process, ...] = ()
    xids: tuple[Xid, ...] = ()
    trouble: str = ""  # why it cannot be asked, such as `GPU is lost`


def devices(facts: Mapping[str, str]) -> tuple[Gpu, ...]:
    """The GPUs of these facts, by index."""
    indexes = {int(part) for part in _numbers(facts)}
    return tuple(_gpu(facts, index) for index in sorted(indexes))


def _numbers(facts: Mapping[str, str]) -> set[str]:
    parts = (name.split(".") for name in facts if name.startswith("gpu."))
    return {words[1] for words in parts if words[1].isascii() and words[1].isdecimal()}


def _gpu(facts: Mapping[str, str], index: int) -> Gpu:
    mine = {name.split(".", 2)[2]: value for name, value in facts.items() if name.startswith(f"gpu.{index}.")}
    return Gpu(
        index,
        uuid=mine.get("uuid", ""),
        name=mine.get("name", ""),
        memory=int(mine.get("memory", "0")),
        used=int(mine.get("used", "0")),
        driver=mine.get("driver", ""),
    )
