"""The start script raises the limit that newer releases have on bodies; older ones are told nothing of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from distctl.cluster.spec import nth_server
from distctl.commands.triton import TritonSettings, run_script

RAISED = "--http-max-input-size=2147483647"


def arguments(folder: Path, usage: str, *own: str) -> list[str]:
    """What an executable with this usage is started with, by the script of a server that has `own` words."""
    program = folder / "triton/bin/tritonserver"
    program.parent.mkdir(parents=True)
    program.write_text(
        f'#!/bin/sh\n[ "$1" = --help ] && {{ echo "{usage}"; exit 1; }}\nprintf "%s\\n" "$@"\n'
    )
    program.chmod(0o700)
    unit = folder / "units/server-0"
    unit.mkdir(parents=True)
    (unit / "key").write_text("secret\n")
    how = TritonSettings("127.0.0.1", path=str(folder / "triton"), arguments=own)
    (unit / "run").write_text(
        run_script(str(folder), nth_server("n1", "127.0.0.1", 9000, 0), how, ["digits"])
    )
    ran = subprocess.run(["sh", str(unit / "run")], capture_output=True, text=True, timeout=10, check=True)
    return ran.stdout.splitlines()


@pytest.mark.parametrize(
    ("usage", "raised"),
    [
        ("  --http-port <integer>", False),
        ("  --http-port <integer>\n  --http-max-input-size <integer>\n\tDefault is 67108864", True),
    ],
)
def test_limit_is_raised_where_there_is_one(tmp_path: Path, usage: str, raised: bool) -> None:
    words = arguments(tmp_path, usage)
    assert (RAISED in words) is raised
    assert words[-1] == "--load-model=digits"
    assert not [word for word in words if not word.startswith("--")], (
        "an empty word would be a wrong argument"
    )


def test_what_the_operator_says_comes_later_and_so_wins(tmp_path: Path) -> None:
    own = "--http-max-input-size=1000"
    words = arguments(tmp_path, "--http-max-input-size", own)
    assert words.index(RAISED) < words.index(own)
