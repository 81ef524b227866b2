"""scripts/gpu-check says plainly where there is no GPU; what it reads and writes is tested with stand-ins."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from distctl.cluster.gpu import devices
from distctl.facts import gpu

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "tests/unit/facts/recorded"
PROGRAMS = ("sh", "dirname", "timeout", "cat", "sed", "awk", "ps", "sort", "readlink")
UUID = "GPU-d37e67a5-0000-0000-0000-99096249601a"


@pytest.fixture
def bare(tmp_path) -> Path:
    """A folder with the few programs that the scripts call, and no nvidia-smi whatever this machine has."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in PROGRAMS:
        (folder / name).symlink_to(shutil.which(name))
    return folder


def put(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [ROOT / "scripts/gpu-check", *words]
    return subprocess.run(
        command,
        env={**os.environ, "PATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("smi", "why"),
    [
        (None, "there is no nvidia-smi on this machine, so no NVIDIA driver"),
        ("echo 'No devices were found'; exit 6", "nvidia-smi lists no GPU: No devices were found"),
        ("echo 'No devices were found'", "nvidia-smi lists no GPU: No devices were found"),
        (
            "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18",
            "nvidia-smi lists no GPU: Failed to initialize NVML: Driver/library version mismatch",
        ),
    ],
)
def test_without_a_gpu_it_is_not_run_and_says_why(bare, smi, why):
    if smi:
        put(bare, "nvidia-smi", smi)
    done = run(bare)
    assert (done.returncode, done.stdout, done.stderr) == (77, "", f"gpu-check: not run: {why}\n")


def test_it_shows_the_facts_that_a_look_reads(bare):
    put(
        bare,
        "nvidia-smi",
        f"""case "$*" in
-L) echo 'GPU 0: Tesla T4 (UUID: {UUID})' ;;
*--query-gpu*) echo 'Tesla T4, 15360, 1032, 515.105.01, {UUID}, 0, 00000000:00:1E.0, 7.5' ;;
"-q -x") cat {RECORDED}/t4-515.xml ;;
esac""",
    )
    done = run(bare, "--facts")
    assert done.returncode == 0, done.stderr
    lines = dict(line.partition(": ")[::2] for line in done.stdout.splitlines())
    (found,) = devices(lines)
    assert (found.uuid, found.capability, found.memory) == (UUID, (7, 5), 15360 * 1024**2)
    assert lines["gpus"] == "1" and lines["gpus.cuda"] == "11.7"


def test_where_there_is_no_nvidia_smi_a_look_finds_no_gpu_and_no_trouble(bare):
    done = subprocess.run(
        ["sh", "-c", gpu.query(1)],
        env={"PATH": str(bare)},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    facts = gpu.parse_gpus(done.stdout)
    assert facts["gpus"] == "0" and "gpus.trouble" not in facts and "gpus.cards" in facts


@pytest.fixture(scope="module")
def program():
    spec = importlib.util.spec_from_file_location("gpu_check", ROOT / "scripts/gpu_check.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["gpu_check"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_what_is_recorded_names_no_card(program):
    text = (
        "GPU-513536b6-7d19-9063-b049-1e69664bb298 MIG-feb88891-0321-5fef-9c87-d4af3b54259e\n"
        "<serial>1650522003820</serial><pdi>0x531e7660f021a0d4</pdi><chassis_serial_number>77</chassis_serial_number>"
    )
    assert program.nameless(text) == (
        "GPU-513536b6-0000-0000-0000-1e69664bb298 MIG-feb88891-0000-0000-0000-d4af3b54259e\n"
        "<serial>N/A</serial><pdi>N/A</pdi><chassis_serial_number>N/A</chassis_serial_number>"
    )


def test_the_report_has_the_gpu_and_every_finding(program):
    facts = gpu.parse_gpus(f"Tesla T4, 15360, 0, 560.35.03, {UUID}\n") | {"gpus.cuda": "12.6"}
    found = [
        program.Finding("a", True, "x | y"),
        program.Finding("b", None, ""),
        program.Finding("c", False, "z"),
    ]
    text = program.report(facts, None, found)
    assert "1 GPU: Tesla T4 (15360 MiB, driver 560.35.03); CUDA 12.6" in text
    assert "| a | ok | x / y |\n| b | not told |  |\n| c | FAILED | z |" in text


def test_the_inventory_that_it_writes_is_valid_in_one_of_its_forms(program, tmp_path):
    done = [
        program.distctl(program.inventory(tmp_path, runtime, servers), "doctor", "--offline").returncode
        for runtime in program.RUNTIMES
        for servers in program.SERVERS
    ]
    assert set(done) <= {0, 2} and done[-1] == 0
