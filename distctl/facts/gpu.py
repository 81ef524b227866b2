"""GPUs, as nvidia-smi lists them. None is a fact and no error."""

from __future__ import annotations

from distctl.cluster.gpu import Gpu, MigDevice, devices
from distctl.facts.probe import Facts, Probe, number, only

__all__ = ["PROBES", "Gpu", "MigDevice", "devices", "parse_gpus"]

_COLUMNS = ("name", "memory", "used", "driver", "uuid")
_MIB = 1024 * 1024

# Ten seconds: without the persistence daemon a driver wakes up slowly, and a broken one never answers.
_QUERY = """command -v nvidia-smi >/dev/null && timeout 10 nvidia-smi \\
    --query-gpu=name,memory.total,memory.used,driver_version,uuid --format=csv,noheader,nounits"""


def parse_gpus(text: str) -> Facts:
    """The CSV rows; a row with another number of columns (an error message) is no GPU."""
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines()]
    whole = [row for row in rows if len(row) == len(_COLUMNS)]
    facts: Facts = {"gpus": str(len(whole))}
    for index, row in enumerate(whole):
        values = dict(zip(_COLUMNS, row, strict=True))
        sizes = {name: number(values[name]) for name in ("memory", "used")}
        facts |= only(
            {
                **{f"gpu.{index}.{name}": values[name] for name in ("name", "driver", "uuid")},
                **{f"gpu.{index}.{name}": size * _MIB for name, size in sizes.items() if size is not None},
            }
        )
    return facts


PROBES = (Probe("gpus", _QUERY, parse_gpus),)
