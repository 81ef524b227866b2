"""What nvidia-smi and dcgmi print as lines: the list of GPUs, of MIG devices, and DCGM's verdict."""

from __future__ import annotations

import re
from collections.abc import Mapping

from distctl.facts.probe import Facts, number, only

MIB = 1024 * 1024

# The names that `--query-gpu` takes, in our order, and the facts that they become.
_FIELDS = {
    "name": "name",
    "memory.total": "memory",
    "memory.used": "used",
    "driver_version": "driver",
    "uuid": "uuid",
    "index": "index",
    "pci.bus_id": "pci",
    "compute_cap": "capability",
}
QUERY = ",".join(field for field in _FIELDS if field != "compute_cap")
_COLUMNS = tuple(_FIELDS.values())
_FEWEST = 5  # up to the UUID

_UUID = re.compile(r"GPU-[\w-]+")
_CAPABILITY = re.compile(r"\d+\.\d+")
_BAD = re.compile(r"lost|requires reset|unknown error|ERR!", re.IGNORECASE)
_GPU_LINE = re.compile(r"^GPU \d+: .*\(UUID: (GPU-[\w-]+)\)")
_MIG_LINE = re.compile(r"^\s+MIG (\S+)\s+Device\s+(\d+): \(UUID: (MIG-[\w/-]+)\)")
_DCGM = re.compile(r"Overall Health\s*[|:]\s*(\w+)\s*\|")


def cells(line: str) -> list[str] | None:
    """The cells of a row that is a GPU; None for anything else, such as an error message."""
    parts = [cell.strip() for cell in line.split(",")]
    whole = _FEWEST <= len(parts) <= len(_COLUMNS) and _UUID.fullmatch(parts[_COLUMNS.index("uuid")])
    return parts if whole else None


def parse_rows(text: str) -> Facts:
    """`gpu.N.*` of each row, N being nvidia-smi's index, or the row's place where there is none.

    A last line without an end was cut short: its UUID or index would be another's.
    """
    facts: Facts = {}
    taken: set[int] = set()
    lines = text.split("\n")[:-1]
    for place, row in enumerate(found for found in map(cells, lines) if found):
        said = dict(zip(_COLUMNS, row, strict=False))
        index = number(said.pop("index", str(place)))
        if index is None or index in taken:
            continue
        taken.add(index)
        facts |= {f"gpu.{index}.{name}": value for name, value in _values(said).items()}
    return facts


def _values(said: dict[str, str]) -> Facts:
    sizes = {name: number(said.pop(name)) for name in ("memory", "used") if not _note(said, name)}
    capability = said.pop("capability", "")
    return only(
        {
            **{name: value for name, value in said.items() if not value.startswith("[")},
            **{name: size * MIB for name, size in sizes.items() if size is not None},
            "pci": place(said.get("pci", "")),
            "capability": capability if _CAPABILITY.fullmatch(capability) else None,
        }
    )


def _note(said: dict[str, str], name: str) -> bool:
    """Whether that cell says what is wrong with the GPU; then it is noted as its trouble."""
    if not _BAD.search(said[name]):
        return False
    said["trouble"] = said.pop(name).strip("[]")
    return True


def place(bus: str) -> str:
    """A PCI address as the kernel writes it: `0000:3b:00.0`, where nvidia-smi has eight digits of domain."""
    match = re.fullmatch(r"(?:0000)?([0-9A-Fa-f]{4}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.\d)", bus)
    return match.group(1).lower() if match else ""


def parse_mig(text: str, indexes: Mapping[str, str]) -> Facts:
    """`gpu.N.mig.M.uuid` and `.profile` of `nvidia-smi -L`, for the GPUs whose UUID is in `indexes`."""
    facts: Facts = {}
    index = None
    for line in text.splitlines():
        if line.startswith("GPU "):
            match = _GPU_LINE.match(line)
            index = indexes.get(match.group(1)) if match else None
        elif index is not None and (match := _MIG_LINE.match(line)):
            profile, device, uuid = match.groups()
            facts |= {
                f"gpu.{index}.mig.{int(device)}.uuid": uuid,
                f"gpu.{index}.mig.{int(device)}.profile": profile,
            }
    return facts


def parse_parents(text: str) -> dict[str, str]:
    """By pid: its forefathers, nearest first, with commas; from lines of `PID PARENT PARENT`."""
    lines = [line.split() for line in text.split("\n")[:-1]]
    return {
        words[0]: ",".join(word for word in words[1:] if word not in ("0", "1"))
        for words in lines
        if words and all(number(word) is not None for word in words)
    }


def parse_dcgm(text: str) -> str:
    """`healthy`, `warning` or `failure` of `dcgmi health -c`; empty when it watches nothing."""
    match = _DCGM.search(text)
    return match.group(1).lower() if match else ""
