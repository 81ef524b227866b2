"""The file system that distctl's folder is on: room, kind, and whether programs may run from it."""

from __future__ import annotations

import re

from distctl.facts.probe import Facts, Probe, number, only

_KIB_COLUMN, _INODE_COLUMN, _COLUMNS = 3, 3, 6

# -P keeps one line a file system whatever its name's length; the second call counts inodes.
_DISK = """df -Pk "$base"
df -Pi "$base"
echo ---
cat /proc/self/mounts"""


def parse_disk(text: str) -> Facts:
    """`df -Pk`, `df -Pi` and the mount table, of which the last entry for a mount point counts."""
    tables, _, mounts = text.partition("\n---\n")
    rows = [row for row in map(_columns, tables.splitlines()) if row]
    facts: Facts = {}
    if rows:
        free = number(rows[0][_KIB_COLUMN])
        facts |= only({"disk.free": None if free is None else free * 1024, "disk.mount": rows[0][-1]})
    if len(rows) > 1:
        facts |= only({"disk.inodes": number(rows[1][_INODE_COLUMN])})
    return facts | _mount(mounts, facts.get("disk.mount"))


def _columns(line: str) -> list[str]:
    """The six columns of a df row whose third is a number; the heading and anything else is empty."""
    parts = line.split(None, _COLUMNS - 1)
    return parts if len(parts) == _COLUMNS and parts[2].isdecimal() else []


def _mount(mounts: str, point: str | None) -> Facts:
    found: Facts = {}
    for line in mounts.splitlines():
        words = line.split()
        if len(words) >= 4 and _unescaped(words[1]) == point:  # noqa: PLR2004 - device, point, type, options
            found = {"disk.type": words[2], "disk.options": words[3]}
    return found


def _unescaped(path: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), path)


PROBES = (Probe("disk", _DISK, parse_disk),)
