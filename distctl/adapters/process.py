"""Which process holds something, so that others on its machine can see that it has ended.

A process is known by boot, pid namespace, pid and start time: names of hosts, pids and even pids within one
boot (in containers) are used again. Only Linux tells them; elsewhere nobody is ever said to have ended.
"""

from __future__ import annotations

import os
from pathlib import Path

PROC = Path("/proc")


def mark(pid: int) -> str:
    """`MACHINE.PID.STARTED`, one word that names a process of this machine; "" where there is no /proc."""
    machine, started = _machine(), _started(pid)
    return f"{machine}.{pid}.{started}" if machine and started else ""


def ended(marked: str) -> bool:
    """Whether the process of a mark is certainly no more: it was one of this machine's, and is not there."""
    machine, _, rest = marked.partition(".")
    pid, _, started = rest.partition(".")
    if not pid.isdecimal() or machine != _machine():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    seen = _started(int(pid))
    return seen not in ("", started)


def pid_of(marked: str) -> int | None:
    """The pid of a mark's process where it runs on this machine; None when it has ended or is elsewhere."""
    machine, _, rest = marked.partition(".")
    pid = rest.partition(".")[0]
    here = machine == _machine() and pid.isdecimal()
    return int(pid) if here and not ended(marked) else None


def _machine() -> str:
    """This boot and this pid namespace."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip().replace("-", "")
        return f"{boot}-{(PROC / 'self/ns/pid').readlink().name.strip('pid:[]')}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    """The start time in clock ticks after boot, "ended" for one that only its parent still remembers."""
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return ""
    return "ended" if fields[0] in "ZX" else fields[19]
