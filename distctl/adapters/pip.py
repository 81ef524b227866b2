"""pip on the operator's side, asked for wheels that fit another machine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from distctl.cluster.needs import Target
from distctl.errors import DistctlError

TURN = 1.0  # seconds between two words to whoever waits
DEADLINE = 3600.0  # seconds: wheels of several GB over a slow line
OLDEST = 5  # of glibc's minor versions for which wheels are named so (manylinux_2_5)
OLD_NAMES = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}  # PEP 600

# pip takes versions and platforms for wheels from its options, and markers such as `python_version < "3.11"`
# from the interpreter it runs in, whatever it was asked for; this says what holds over there.
_RUN = """import json, runpy, sys
from pip._vendor.packaging import markers
here, there = markers.default_environment, json.loads(sys.argv.pop(1))
markers.default_environment = lambda: {**here(), **there}
runpy.run_module("pip", run_name="__main__")
"""

_ERROR, _IMPOSSIBLE, _BROKEN = "ERROR: ", "ResolutionImpossible", "after connection broken"  # pip's own words


@dataclass(frozen=True, slots=True)
class Refusal:
    """What pip said: its errors in one line, whether it lacked a network, and everything."""

    problem: str
    offline: bool
    output: str


def platforms(target: Target) -> list[str]:
    """The platform tags of wheels that run there, the newest glibc first. Only glibc 2 is known."""
    found = []
    for minor in range(target.glibc[1], OLDEST - 1, -1):
        found.append(f"manylinux_2_{minor}_{target.arch}")
        if minor in OLD_NAMES:
            found.append(f"{OLD_NAMES[minor]}_{target.arch}")
    return [*found, f"linux_{target.arch}"]


def markers(target: Target) -> dict[str, str]:
    """The environment markers (PEP 508) of a target; the micro version is not known and taken for 0."""
    return {
        "python_version": target.python,
        "python_full_version": f"{target.python}.0",
        "implementation_name": "cpython",
        "implementation_version": f"{target.python}.0",
        "platform_python_implementation": "CPython",
        "platform_machine": target.arch,
        "platform_system": "Linux",
        "sys_platform": "linux",
        "os_name": "posix",
    }


def command(target: Target, into: Path, what: Sequence[str]) -> list[str]:
    """The command that downloads wheels for a target; `what` says which, in pip's own options."""
    words = [sys.executable, "-c", _RUN, json.dumps(markers(target)), "download"]
    words += ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--retries", "1"]
    words += ["--only-binary", ":all:", "--implementation", "cp", "--python-version", target.python]
    for platform in platforms(target):
        words += ["--platform", platform]
    return [*words, "--dest", str(into), *what]


def download(target: Target, into: Path, what: Sequence[str], alive: Callable[[], None]) -> Refusal | None:
    """Download wheels into a folder; None when all is well. `alive` is called every second meanwhile.

    Raises DistctlError when it takes longer than an hour.
    """
    pipe = subprocess.PIPE
    words = command(target, into, what)
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True) as process, _ended(process):
        for _ in range(int(DEADLINE / TURN)):
            try:
                out, err = process.communicate(timeout=TURN)
            except subprocess.TimeoutExpired:
                alive()
            else:
                return None if process.returncode == 0 else refusal(out, err)
    raise DistctlError("pip did not end within an hour", hint="run the same command again: it goes on")


@contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[None]:
    """Whatever ends the wait, a signal or a lost lease, ends pip as well."""
    try:
        yield
    finally:
        if process.poll() is None:
            process.kill()


def refusal(out: str, err: str) -> Refusal:
    """pip's output, read for a human: its last error, what it says below it, and the conflict it found."""
    lines = err.splitlines()
    if away := [line for line in lines if _BROKEN in line]:
        sought = ", ".join(dict.fromkeys(line.rstrip("/").rpartition("/")[2] for line in away))
        return Refusal(f"{sought}: pip could not reach its package index", True, out + err)
    errors = [n for n, line in enumerate(lines) if line.startswith(_ERROR) and _IMPOSSIBLE not in line]
    if not errors:
        return Refusal(next((line for line in reversed(lines) if line), "pip said nothing"), False, out + err)
    below = takewhile(lambda line: line.startswith(" "), lines[errors[-1] + 1 :])
    conflict = out.partition("The conflict is caused by:\n")[2].partition("\n\n")[0].splitlines()
    said = [lines[errors[-1]].removeprefix(_ERROR), *below, *conflict]
    return Refusal("; ".join(line.strip() for line in said), False, out + err)
