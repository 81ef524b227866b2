"""The GPU probes as a shell runs them, with stand-ins for NVIDIA's tools: no driver can hold up a look."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from distctl.cluster.gpu import devices
from distctl.facts import gpu, gpu_log

RECORDED = Path(__file__).parents[2] / "unit/facts/recorded"
ROW = "Tesla T4, 15360, 1032, 515.105.01, GPU-d37e67a5-0000-0000-0000-99096249601a, 0, 00000000:00:1E.0"


@pytest.fixture
def tool(tmp_path):
    """Puts a stand-in of that name before every other program."""
    (tmp_path / "bin").mkdir()

    def put(name: str, script: str) -> None:
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return put


@pytest.fixture
def ask(tmp_path):
    """Runs a probe's script as a look does, and gives its output and how long it took in seconds."""

    def run(script: str) -> tuple[str, float]:
        environment = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
        began = time.monotonic()
        done = subprocess.run(
            ["sh", "-c", script], env=environment, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0
        return done.stdout, time.monotonic() - began

    return run


def smi(rows: str, *, xml: str = "", listed: str = "") -> str:
    """An nvidia-smi that knows no compute_cap, as before driver 495."""
    return f"""case "$*" in
*compute_cap*) echo 'Field "compute_cap" is not a valid field to query.'; echo; exit 2 ;;
*--query-gpu*) {rows} ;;
"-q -x") {xml or ":"} ;;
-L) {listed or ":"} ;;
esac"""


def test_an_old_nvidia_smi_is_asked_again_without_what_it_does_not_know(tool, ask):
    tool("nvidia-smi", smi(f"echo '{ROW}'", xml=f"cat {RECORDED}/t4-515.xml"))
    text, _ = ask(gpu.query(2))
    facts = gpu.parse_gpus(text)
    (found,) = devices(facts)
    assert (found.name, found.capability, found.persistence) == ("Tesla T4", (), False)
    assert facts["gpus"] == "1" and "gpus.trouble" not in facts and facts["gpus.cuda"] == "11.7"


def test_mig_devices_are_listed_only_where_mig_is_on_and_clocks_stay_on_the_node(tool, ask):
    row = ROW.replace("GPU-d37e67a5-0000-0000-0000-99096249601a", "GPU-513536b6-0000-0000-0000-1e69664bb298")
    clocks = "<supported_clocks>\n<supported_mem_clock>\n<value>1 MHz</value>\n</supported_clocks>"
    xml = f"sed 's|<clocks_event_reasons>|{clocks}&|' {RECORDED}/a100-mig-535.xml".replace("\n", "\\n")
    tool("nvidia-smi", smi(f"echo '{row}'", xml=xml, listed=f"cat {RECORDED}/a100-mig-535.list.txt"))
    text, _ = ask(gpu.query(2))
    assert "MHz" not in text
    (found,) = devices(gpu.parse_gpus(text))
    assert [device.profile for device in found.mig] == ["1g.10gb"] * 4


def test_a_process_on_a_gpu_comes_with_its_forefathers(tool, ask):
    row = ROW.replace("GPU-d37e67a5-0000-0000-0000-99096249601a", "GPU-06e04616-0000-0000-0000-345349a0d4f3")
    with subprocess.Popen(["sleep", "20"]) as child:
        tool("nvidia-smi", smi(f"echo '{row}'", xml=f"sed s/30091/{child.pid}/ {RECORDED}/gtx1050-515.xml"))
        text, _ = ask(gpu.query(2))
        child.kill()
    (found,) = devices(gpu.parse_gpus(text))
    assert found.processes[0].pid == child.pid and os.getpid() in found.processes[0].parents


@pytest.mark.parametrize(
    "script",
    [
        "trap '' TERM; sleep 30",  # a driver that does not answer
        "setsid sleep 6 & sleep 30",  # what is left behind keeps the pipe open
        "kill -STOP $$",
    ],
)
def test_a_driver_that_never_answers_is_left_alone_in_time(tool, ask, script):
    tool("nvidia-smi", script)
    text, seconds = ask(gpu.query(1))
    assert seconds < 5
    facts = gpu.parse_gpus(text)
    assert (facts["gpus"], facts["gpus.trouble"]) == ("0", "nvidia-smi does not answer within 10 s")


def test_no_second_nvidia_smi_is_started_while_one_hangs_in_the_driver(tool, ask, tmp_path):
    tool("nvidia-smi", f"touch {tmp_path}/started")
    tool("ps", "echo 'Ss       90 sh'; echo 'D+       61 nvidia-smi'")
    text, _ = ask(gpu.query(1))
    assert gpu.parse_gpus(text)["gpus.trouble"] == "an earlier nvidia-smi hangs in the driver"
    assert not (tmp_path / "started").exists()


LINE = "[    1.500000] NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus"


@pytest.mark.parametrize(
    ("dmesg", "journal", "found"),
    [
        (f"echo '[    0.000000] Linux'; echo '{LINE}'", "exit 1", "0000:3b:00=79"),
        ("echo 'dmesg: Operation not permitted' >&2; exit 1", f"echo Linux; echo '{LINE}'", "0000:3b:00=79"),
        ("echo '[    0.000000] Linux'", "exit 1", ""),
        ("exit 1", "exit 1", None),
        ("exit 1", "sleep 30", None),
    ],
)
def test_xids_come_from_whichever_log_may_be_read(tool, ask, dmesg, journal, found):
    for name, script in (("nvidia-smi", ":"), ("dmesg", dmesg), ("journalctl", journal)):
        tool(name, script)
    text, _ = ask(gpu_log.SCRIPT.replace("timeout 5", "timeout 1"))
    xids = gpu_log.parse_log(text).get("gpus.xids")
    assert xids == found if not found else xids is not None and xids.partition("@")[0] == found
