"""On what something was measured: the machine without its name, and the versions of packages."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def machine() -> dict[str, str]:
    """Cores, processor, memory, system, kernel and Python, and how busy the machine is now."""
    memory = _found(r"MemTotal:\s+(\d+)", "/proc/meminfo")
    return {
        "cores": str(os.cpu_count()),
        "processor": _found(r"model name\s*:\s*(.*)", "/proc/cpuinfo") or platform.machine(),
        "memory": f"{int(memory) / 2**20:.0f} GiB" if memory else "unknown",
        "system": _found(r'PRETTY_NAME="(.*)"', "/etc/os-release") or platform.system(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def _found(pattern: str, file: str) -> str:
    """What a file of Linux says; empty where there is no such file or word."""
    try:
        match = re.search(pattern, Path(file).read_text(encoding="utf-8"))
    except OSError:
        return ""
    return match.group(1) if match else ""


def package_versions(names: Sequence[str]) -> dict[str, str]:
    """The version of each package; absent ones are left out."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
