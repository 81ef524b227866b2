"""Errors that NVIDIA's driver wrote to the kernel's log since the machine booted: its Xid lines."""

from __future__ import annotations

import re

from distctl.facts.probe import Facts

# The first line of the log only tells that it may be read at all. Both print seconds since the boot.
SCRIPT = """[ -e /proc/driver/nvidia ] || command -v nvidia-smi >/dev/null || exit 0
read -r up rest < /proc/uptime
echo "up $up"
found=$(timeout 5 dmesg | sed -n -e '1s/.*/read/p' -e '/NVRM: Xid/p' | tail -n 200)
[ -n "$found" ] || found=$(timeout 5 journalctl -k -b -q --no-pager -o short-monotonic |
    sed -n -e '1s/.*/read/p' -e '/NVRM: Xid/p' | tail -n 200)
printf '%s\\n' "$found"
"""

_UP = re.compile(r"^up (\d+\.\d+)$", re.MULTILINE)
_XID = re.compile(r"^\[ *(\d+\.\d+)\].*NVRM: Xid \((?:PCI:)?([0-9a-fA-F:]+)(?:\.\d)?\): (\d+),", re.MULTILINE)


def parse_log(text: str) -> Facts:
    """`gpus.xids`: `PCI=NUMBER@AGE` for the last of each kind on each GPU, AGE in seconds before the look.

    Empty when the log was read and has none; missing when it may not be read.
    """
    up = _UP.search(text)
    if not up or not text[up.end() :].strip():
        return {}
    last = {(pci.lower(), int(xid)): float(up.group(1)) - float(at) for at, pci, xid in _XID.findall(text)}
    return {"gpus.xids": " ".join(f"{pci}={xid}@{max(age, 0.0):.0f}" for (pci, xid), age in last.items())}
