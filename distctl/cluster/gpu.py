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
    """An error that the driver logged since the machine booted: its number, and its age in seconds."""

    number: int
    age: float


@dataclass(frozen=True, slots=True)
class Errors:
    """Memory errors of a GPU: since the driver was loaded, and in its whole life (`ever`).

    `remap` says what the repair of its memory waits for or could not do: `pending`, `failed` or both.
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
    capability: tuple[int, ...] = ()  # (8, 0)
    persistence: bool | None = None
    mig_enabled: bool = False
    mig: tuple[MigDevice, ...] = ()
    errors: Errors = Errors()
    throttled: tuple[str, ...] = ()  # why its clocks are held down: `hw_thermal`, `power_brake`, ...
    processes: tuple[Process, ...] = ()
    xids: tuple[Xid, ...] = ()
    advice: str = ""  # what the driver says is to be done, such as `Drain and Reset`
    trouble: str = ""  # why it cannot be asked, such as `GPU is lost`

    @property
    def complaint(self) -> str:
        """The worst that there is to say of it, in a few words; empty when it is well. `doctor` says more."""
        worst = [
            self.trouble,
            self.advice and f"the driver asks for: {self.advice}",
            " ".join(f"memory repair {word}" for word in self.errors.remap),
            "MIG without devices" if self.mig_enabled and not self.mig else "",
            f"{self.errors.uncorrected} memory errors" if self.errors.uncorrected else "",
            self.throttled and f"throttled: {', '.join(self.throttled)}",
        ]
        return next((said for said in worst if said), "")


def devices(facts: Mapping[str, str]) -> tuple[Gpu, ...]:
    """The GPUs of these facts, by index."""
    by_index: dict[int, dict[str, str]] = {}
    for fact, value in facts.items():
        first, _, rest = fact.partition(".")
        index, _, name = rest.partition(".")
        if first == "gpu" and name and _whole(index) is not None:
            by_index.setdefault(int(index), {})[name] = value
    logged = xids(facts)
    return tuple(_gpu(index, by_index[index], logged) for index in sorted(by_index))


def xids(facts: Mapping[str, str]) -> dict[str, tuple[Xid, ...]]:
    """By place on the PCI bus (`0000:3b:00`): its errors, the newest first; also of cards that are gone."""
    found: dict[str, list[Xid]] = {}
    for word in facts.get("gpus.xids", "").split():
        place, _, error = word.partition("=")
        number, _, age = error.partition("@")
        found.setdefault(place, []).append(Xid(_count(number), float(_count(age))))
    return {place: tuple(sorted(errors, key=lambda xid: xid.age)) for place, errors in found.items()}


def _gpu(index: int, said: Mapping[str, str], logged: Mapping[str, tuple[Xid, ...]]) -> Gpu:
    pci = said.get("pci", "")
    return Gpu(
        index,
        uuid=said.get("uuid", ""),
        name=said.get("name", ""),
        memory=_count(said.get("memory")),
        used=_count(said.get("used")),
        driver=said.get("driver", ""),
        pci=pci,
        capability=_numbers(said.get("capability", ""), "."),
        persistence={"yes": True, "no": False}.get(said.get("persistence", "")),
        mig_enabled=said.get("mig") == "enabled",
        mig=_mig(index, said),
        errors=_errors(said),
        throttled=tuple(said.get("throttled", "").split()),
        processes=_processes(said.get("processes", "")),
        xids=logged.get(pci.rpartition(".")[0], ()),
        advice=said.get("advice", ""),
        trouble=said.get("trouble", ""),
    )


def _mig(parent: int, said: Mapping[str, str]) -> tuple[MigDevice, ...]:
    """`mig.M.uuid`, `mig.M.profile`, `mig.M.memory`."""
    parts = (name.split(".") for name in said)
    indexes = {_count(words[1]) for words in parts if words[0] == "mig" and words[2:] == ["uuid"]}
    return tuple(
        MigDevice(
            index,
            said[f"mig.{index}.uuid"],
            said.get(f"mig.{index}.profile", ""),
            _count(said.get(f"mig.{index}.memory")),
            parent,
        )
        for index in sorted(indexes)
    )


def _errors(said: Mapping[str, str]) -> Errors:
    return Errors(
        _count(said.get("ecc.corrected")),
        _count(said.get("ecc.uncorrected")),
        _count(said.get("ecc.corrected.ever")),
        _count(said.get("ecc.uncorrected.ever")),
        _count(said.get("retired")),
        tuple(said.get("remap", "").split()),
    )


def _processes(text: str) -> tuple[Process, ...]:
    """`PID=NAME:BYTES:PARENT,PARENT`, separated by spaces."""
    found = []
    for word in text.split():
        pid, _, rest = word.partition("=")
        name, memory, parents = (*rest.rsplit(":", 2), "", "")[:3]
        found.append(Process(_count(pid), name, _count(memory), _numbers(parents, ",")))
    return tuple(found)


def _count(text: str | None) -> int:
    return _whole(text or "") or 0


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() else None


def _numbers(text: str, separator: str) -> tuple[int, ...]:
    parts = [_whole(part) for part in text.split(separator)]
    return tuple(part for part in parts if part is not None)
