"""Whose process has ended is said of processes of this machine alone, and never by their pid."""

from __future__ import annotations

import os
import subprocess

import pytest

from distctl.adapters.process import ended, mark


def test_a_process_that_runs_has_not_ended() -> None:
    assert not ended(mark(os.getpid()))


def test_one_that_was_killed_has_ended_also_before_its_parent_knows() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        found = mark(process.pid)
        assert not ended(found)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert ended(found), "a zombie"
    assert ended(found)


def test_a_pid_that_was_used_again_is_another_process() -> None:
    machine, pid, started = mark(os.getpid()).split(".")
    assert ended(f"{machine}.{pid}.{int(started) - 1}")


@pytest.mark.parametrize("part", ["boot", "namespace"])
def test_of_another_machine_or_container_nothing_is_said(part: str) -> None:
    """Hosts may share a name, and containers a boot."""
    boot, _, namespace = mark(os.getpid()).partition(".")[0].partition("-")
    machine = f"{boot[::-1]}-{namespace}" if part == "boot" else f"{boot}-1"
    gone = 2**22 + 1  # beyond what Linux gives out
    assert ended(f"{boot}-{namespace}.{gone}.1")
    assert not ended(f"{machine}.{gone}.1")


@pytest.mark.parametrize("text", ["", "a", "ann@desk:12:a1b2c3", "..", "x.y.z"])
def test_of_what_is_no_mark_nothing_is_said(text: str) -> None:
    assert not ended(text)
