"""A unit's process is kept running, ended whole, and never mistaken for another."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from node_parts import eventually, parent, running, sh

from distctl.commands import systemd, units
from distctl.commands.units import Manager


def test_start_returns_when_the_process_runs_and_again_changes_nothing(supervised):
    one = supervised("exec sleep 1000.1")
    assert one.start().returncode == 0
    first = one.sight().process
    assert first and one.sight().wanted_up
    assert one.sight().restarts == 0
    assert one.start().returncode == 0
    assert one.sight().process == first
    supervisors = set(running(f"supervise {one.unit.folder}"))
    forks = {pid for pid in supervisors if parent(pid) in supervisors}  # before they become what they run
    assert len(supervisors - forks) == 1


def test_a_killed_process_comes_back_without_what_it_left(supervised):
    one = supervised("sleep 1000.2 &\ntrap '' TERM\nsleep 1000.3 &\nexec sleep 1000.4")
    one.start()
    first = one.pid()
    left = Path("/dev/shm", f"{one.unit.shm_prefix}region")
    neighbour = Path("/dev/shm", f"not-{one.unit.shm_prefix}region")
    left.write_text("left")
    neighbour.write_text("a neighbour's")
    try:
        children = {pid for pid in running("sleep 1000.") if os.getsid(pid) == first}
        assert len(children) == 3
        os.kill(first, signal.SIGKILL)
        eventually(lambda: one.pid() not in (0, first))
        assert not children & set(running("sleep 1000."))
        assert not left.exists()
        assert neighbour.exists()
        assert "status 137" in one.log()
    finally:
        neighbour.unlink()


def test_a_process_that_ends_at_once_is_started_more_and_more_rarely(supervised):
    one = supervised("echo started; exit 3")
    one.start()
    eventually(lambda: "again in 2 s" in one.log())
    said = [line for line in one.log().splitlines() if "ended" in line]
    assert said[0].endswith("status 3; it is started again in 1 s")
    assert said[1].endswith("status 3; it is started again in 2 s")
    assert one.sight().restarts >= 2, "its supervisor counts"


def test_stop_ends_the_process_by_sigterm_and_leaves_nothing(supervised):
    one = supervised("sleep 1000.5 &\nexec sleep 1000.6")
    one.start()
    began = time.monotonic()
    stopped = one.stop(20)
    assert (stopped.returncode, stopped.stdout) == (0, "")
    assert time.monotonic() - began < 3
    assert not list(running("sleep 1000.5")) and not list(running(f"supervise {one.unit.folder}"))
    assert one.sight().process is None and not one.sight().wanted_up
    assert one.stop().returncode == 0


def test_a_process_that_ignores_sigterm_is_killed_with_its_session_at_the_deadline(supervised):
    one = supervised("trap '' TERM\nsleep 1000.7 &\nwhile :; do sleep 1000.8; done")
    one.start()
    began = time.monotonic()
    assert one.stop(1).stdout == "killed\n"
    assert 1 <= time.monotonic() - began < 5
    assert not list(running("sleep 1000.7")) and not list(running("sleep 1000.8"))


def test_a_supervisor_passes_sigterm_on(supervised):
    one = supervised("trap 'echo told; exit 0' TERM\nsleep 1000.9 & wait", stop_seconds=5)
    one.start()
    os.kill(one.supervisor(), signal.SIGTERM)
    eventually(lambda: not (one.folder / "pid").exists())
    assert one.log() == "told\n"
    assert one.sight().wanted_up
    assert not list(running("sleep 1000.9"))


def test_a_new_supervisor_takes_over_the_process_of_a_dead_one(supervised):
    one = supervised("exec sleep 1001.1")
    one.start()
    process, supervisor = one.sight().process, one.supervisor()
    os.kill(supervisor, signal.SIGKILL)
    eventually(lambda: supervisor not in running("supervise"))
    assert one.start().returncode == 0
    assert one.sight().process == process
    assert one.supervisor() != supervisor
    os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: one.pid() not in (0, process.pid))


def test_stop_works_when_the_supervisor_is_dead(supervised):
    one = supervised("sleep 1001.2 &\nexec sleep 1001.3")
    one.start()
    os.kill(one.supervisor(), signal.SIGKILL)
    one.stop()
    assert not list(running("sleep 1001.2")) and not list(running("sleep 1001.3"))


@pytest.mark.parametrize("wrong", ["boot", "started"])
def test_a_process_with_our_pid_and_another_identity_is_never_touched(supervised, wrong):
    one = supervised("exec sleep 1001.4")
    with subprocess.Popen(["sleep", "1001.5"], start_new_session=True) as stranger:
        stat = Path(f"/proc/{stranger.pid}/stat").read_text().rpartition(") ")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        identity = {
            "boot": f"{boot[::-1]} {stranger.pid} {stat[19]}",
            "started": f"{boot} {stranger.pid} {int(stat[19]) - 1}",
        }[wrong]
        (one.folder / "pid").write_text(f"supervisor={identity}\nprocess={identity}\n")
        assert one.sight().process is None
        one.stop(1)
        sh(units.signal(one.unit, "KILL"))
        assert stranger.poll() is None
        stranger.kill()


def test_the_settings_of_the_running_process_stay_known_when_the_script_is_rewritten(supervised):
    one = supervised("# settings: old\nexec sleep 1001.6")
    one.start()
    before = one.sight()
    changed = sh(units.install(one.unit, "#!/bin/sh\n# settings: new\nexec sleep 1001.7\n"))
    assert changed.stdout == f"changed {one.unit.run}\n"
    assert one.sight().settings == "old"
    assert one.sight().run_digest != before.run_digest
    one.stop()
    one.start()
    assert one.sight().settings == "new"


def test_the_log_is_rotated_and_bounded(supervised):
    one = supervised(
        "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; exec sleep 1001.8",
        log_bytes=1000,
        log_keep=2,
    )
    for _ in range(4):
        one.start()
        eventually(lambda: "line 2999" in one.log())
        one.stop()
    assert sorted(path.name for path in one.folder.glob("log*")) == ["log", "log.1", "log.2"]
    assert sh(units.tail(one.unit, 2)).stdout == "line 2998\nline 2999\n"


def test_every_unit_of_a_node_is_seen_whatever_folder_the_look_starts_from(supervised):
    one, two = supervised("exec sleep 1001.8"), supervised("exec sleep 1001.9")
    one.start()
    two.start()
    said = sh(f"cd {one.unit.root}\n{units.states('units')}").stdout
    seen = units.parse_states(said)
    assert [(name, sight.process is not None) for name, sight in seen.items()] == [
        (one.unit.name, True),
        (two.unit.name, True),
    ]


def test_a_signal_reaches_the_process(supervised):
    one = supervised("trap 'echo reloaded' USR2\nwhile :; do sleep 0.1; done")
    one.start()
    time.sleep(0.3)
    assert sh(units.signal(one.unit, "USR2")).returncode == 0
    eventually(lambda: "reloaded" in one.log())
    one.stop()
    assert sh(units.signal(one.unit, "USR2")).returncode == 1


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
@pytest.mark.parametrize("hardened", [False, True])
@pytest.mark.parametrize("user", [False, True])
def test_systemd_accepts_the_unit(tmp_path, user, hardened):
    unit = units.Unit("/srv/dist ctl/prod/gpu01", "server-default", shm_prefix="distctl_x_")
    manager = Manager.USER if user else Manager.SYSTEM
    assert systemd.service(unit.root, unit.name) in units.start(unit, manager)
    arguments = {
        "folder": unit.folder,
        "stop_seconds": "35",
        "memory": unit.shm_prefix,
        "log_bytes": "1000",
        "log_keep": "3",
    }
    path = tmp_path / systemd.service("/srv/prod/gpu01", unit.name)
    path.write_text(systemd.render(unit.root, unit.name, arguments, timeout=45, user=user, hardened=hardened))
    said = subprocess.run(
        ["systemd-analyze", *(["--user"] if user else []), "verify", path],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    assert [line for line in said.stderr.splitlines() if path.name in line] == []
    text = path.read_text()
    assert "Restart=always" in text
    assert ("NoNewPrivileges=yes" in text) is hardened
    assert ("ProtectSystem=strict" in text) is (hardened and not user)
