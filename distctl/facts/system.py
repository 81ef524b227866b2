"""The machine and the account: operating system, processor, memory, names, time."""

from __future__ import annotations

import re
from collections.abc import Mapping

from distctl.facts.probe import Facts, Probe, number, only, pairs

_IDENTITY = """printf 'clock='; date +%s.%N
printf 'boot_id='; cat /proc/sys/kernel/random/boot_id
printf 'machine_id='; cat /etc/machine-id || echo
printf 'hostname='; cat /proc/sys/kernel/hostname
printf 'uid=%s\\n' "$(id -u)"
printf 'login=%s\\n' "${SUDO_UID:-}"
printf 'user=%s\\n' "$(id -un)"
printf 'home=%s\\nroot=%s\\n' "$HOME" "$root"
printf 'nofile=%s\\n' "$(ulimit -Hn)"
"""


def parse_identity(text: str) -> Facts:
    """Names, account and clock."""
    found = pairs(text)
    clock = found.get("clock", "")
    same = ("boot_id", "machine_id", "hostname", "user", "home", "root")
    return only(
        {
            **{name: found.get(name) for name in same},
            "uid": number(found.get("uid", "")),
            "login": number(found.get("login", "")),  # who asked for root by sudo
            "limit.nofile": found.get("nofile"),
            "clock": _seconds(clock),
        }
    )


def _seconds(date: str) -> str | None:
    """What `date +%s.%N` printed; one without nanoseconds prints %N as it is."""
    match = re.match(r"\d+(\.\d+)?", date)
    return match.group() if match else None


def clock_offset(facts: Mapping[str, str], end: str, seen: tuple[float, float]) -> Facts:
    """`clock.offset`: the node's time minus the observer's, in seconds.

    The node's clock was read when its script began (`clock`) and when it ended (`end`, as printed), which may
    be a slow driver apart; the observer's (`seen`) before and after the round trip. The middles are compared.
    """
    if "clock" not in facts:
        return {}
    began = float(facts["clock"])
    ended = float(_seconds(end) or began)
    return {"clock.offset": f"{(began + ended) / 2 - sum(seen) / 2:.2f}"}


def parse_release(text: str) -> Facts:
    """/etc/os-release, whose values may be quoted."""
    found = pairs(text)
    names = {"os.id": "ID", "os.version": "VERSION_ID", "os.name": "PRETTY_NAME"}
    return only({fact: found.get(key) for fact, key in names.items()})


def parse_kernel(text: str) -> Facts:
    """`uname -rm` and `getconf GNU_LIBC_VERSION`; a libc that is not glibc says nothing there."""
    lines = text.splitlines()
    words = lines[0].split() if lines else []
    libc = re.search(r"^glibc (\d+\.\d+)", text, re.MULTILINE)
    return only(
        {
            "kernel": words[0] if words else None,
            "arch": words[1] if len(words) > 1 else None,
            "glibc": libc.group(1) if libc else None,
            "cpus": number(lines[-1]) if len(lines) > 1 else None,
        }
    )


def parse_memory(text: str) -> Facts:
    """/proc/meminfo, which counts in KiB."""
    found = dict(re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE))
    names = {"memory.total": "MemTotal", "memory.available": "MemAvailable"}
    return only({fact: int(found[key]) * 1024 for fact, key in names.items() if key in found})


PROBES = (
    Probe("identity", _IDENTITY, parse_identity),
    Probe("release", "cat /etc/os-release", parse_release),
    Probe("kernel", "uname -rm\ngetconf GNU_LIBC_VERSION\ngetconf _NPROCESSORS_ONLN || nproc", parse_kernel),
    Probe(
        "memory",
        'while read -r line; do case $line in Mem*) echo "$line";; esac; done < /proc/meminfo',
        parse_memory,
    ),
)
