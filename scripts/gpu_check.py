"""What scripts/gpu-check does on a machine with a GPU: see there. Ends with 1 when a check failed.

Two nodes on this machine share its GPUs, so that one can be drained while the other answers. Containers with
NVIDIA's image are tried first, then the pushed runtime. Ports from 27500 on, on loopback.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from distctl.cluster.gpu import Gpu, devices
from distctl.facts import gpu, gpu_log, gpu_rows

ROOT = Path(__file__).resolve().parent.parent
DISTCTL = ROOT / ".venv/bin/distctl"
MODEL = ROOT / "scripts/gpu_models/gpu_add"
REPORT = ROOT / "docs/gpu-check.md"
RECORDED = ROOT / "tests/unit/facts/recorded"
PORT = 27500
EXPECTED = [1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5]
LONGEST = 600  # seconds of one command: an image of 10 GB has to come

# How servers may run here, the best first; the inventory may not take some of them.
RUNTIMES = ("{kind: container}", "{kind: binary}")
SERVERS = ("per: gpu, ", "")


@dataclass(frozen=True)
class Finding:
    """One check: what it is, whether it held (None: it could not be told), and what was seen."""

    what: str
    held: bool | None
    seen: str


@dataclass(frozen=True)
class Cluster:
    """A cluster that was brought up: its inventory and how its servers run."""

    inventory: Path
    how: str

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """distctl with these words, its output kept."""
        return distctl(self.inventory, *words)

    def json(self, *words: str) -> dict[str, Any]:
        """distctl's document for these words; RuntimeError with its last words where it gave none."""
        done = self.run(*words, "-o", "json")
        if not done.stdout.startswith("{"):
            raise RuntimeError(tail(done))
        document: dict[str, Any] = json.loads(done.stdout)
        return document


def main(words: list[str]) -> int:
    """Show the facts; unless that was all, record what the tools print, check, and write the report."""
    facts = look()
    for name, value in sorted(facts.items()):
        print(f"{name}: {value}")
    if "--facts" in words:
        return 0
    record(devices(facts))
    with tempfile.TemporaryDirectory(prefix="distctl-gpu-check-") as folder:
        cluster, tried = bring_up(Path(folder))
        found = list(check(cluster, devices(facts))) if cluster else []
    found = [Finding("a cluster comes up", cluster is not None, "; ".join(tried)), *found]
    REPORT.write_text(report(facts, cluster, found), encoding="utf-8")
    for finding in found:
        print(f"{_mark(finding)}: {finding.what}: {finding.seen}")
    print(f"written: {REPORT.relative_to(ROOT)}")
    return 1 if any(finding.held is False for finding in found) else 0


def look() -> dict[str, str]:
    """The facts about this machine's GPUs, as a look at a node reads them."""
    facts = gpu.parse_gpus(shell(gpu.query()))
    return facts | gpu_log.parse_log(shell(gpu_log.SCRIPT))


def shell(script: str) -> str:
    """What a script prints."""
    return subprocess.run(
        ["sh", "-c", script], capture_output=True, text=True, timeout=90, check=False
    ).stdout


def smi(*words: str) -> str:
    """What nvidia-smi prints."""
    done = subprocess.run(["nvidia-smi", *words], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout


def record(gpus: tuple[Gpu, ...]) -> None:
    """Keep nvidia-smi's output for the tests of the parsers, without what names this machine's cards."""
    first = gpus[0]
    name = re.sub(r"[^a-z0-9]+", "-", first.name.lower().removeprefix("nvidia ")) + "-" + first.driver
    query = f"--query-gpu={gpu_rows.QUERY},compute_cap"
    printed = {
        "csv": smi(query, "--format=csv,noheader,nounits"),
        "xml": re.sub(r"(?s)\s*<supported_clocks>.*?</supported_clocks>", "", smi("-q", "-x")),
        "list.txt": smi("-L"),
    }
    for ending, text in printed.items():
        (RECORDED / f"{name}.{ending}").write_text(nameless(text), encoding="utf-8")


def nameless(text: str) -> str:
    """The same output with the middle of each UUID and every serial number taken out."""
    text = re.sub(r"((?:GPU|MIG)-[0-9a-f]{8})(?:-[0-9a-f]{4}){3}", r"\1-0000-0000-0000", text)
    return re.sub(r"(<(\w*serial\w*|pdi)>)[^<]*", r"\1N/A", text)


def bring_up(folder: Path) -> tuple[Cluster | None, list[str]]:
    """A cluster that is up, as the first way that works has it; and what was said of every way."""
    tried = []
    for runtime in RUNTIMES:
        if "container" in runtime and not (shutil.which("docker") or shutil.which("podman")):
            tried.append("containers: there is no docker and no podman")
            continue
        for servers in SERVERS:
            how = f"runtime: {runtime}, servers: {{{servers or 'per: node, '}...}}"
            cluster = Cluster(inventory(folder, runtime, servers), how)
            if cluster.run("doctor", "--offline").returncode:
                tried.append(f"{how}: not in this version's inventory")
                continue
            done = cluster.run("up", "-y")
            if done.returncode == 0:
                return cluster, [*tried, f"{how}: up"]
            tried.append(f"{how}: {tail(done)}")
            cluster.run("down", "-y", "--force")
    return None, tried


def inventory(folder: Path, runtime: str, servers: str) -> Path:
    """A file with two nodes on this machine, one model and one router."""
    path = folder / "cluster.yaml"
    path.write_text(
        f"""version: 1
cluster: gpu-check
runtime: {runtime}
nodes:
  n1: {{connection: local, servers: {{{servers}ports: {PORT + 100}}}}}
  n2: {{connection: local, servers: {{{servers}ports: {PORT + 300}}}}}
models:
  gpu_add: {{source: {MODEL}, replicas: 2}}
routers:
  main: {{on: [local], ports: {{http: {PORT}, grpc: {PORT + 1}, metrics: {PORT + 2}}}}}
""",
        encoding="utf-8",
    )
    return path


def distctl(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command with that inventory."""
    environment = {**os.environ, "DISTCTL_INVENTORY": str(path), "NO_COLOR": "1"}
    command = [str(DISTCTL), *words]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=LONGEST, check=False
    )


def tail(done: subprocess.CompletedProcess[str]) -> str:
    """The last that a command said."""
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return " / ".join(lines[-3:])[-300:]


def check(cluster: Cluster, gpus: tuple[Gpu, ...]) -> Iterator[Finding]:
    """Everything that is to hold while the cluster is up, and that nothing is left when it is down."""
    uuids = {part.partition("-")[2] for g in gpus for part in (g.uuid, *(m.uuid for m in g.mig))}
    steps: list[tuple[str, Callable[[], tuple[bool | None, str]]]] = [
        ("doctor has no failure", lambda: _doctor(cluster)),
        ("the model adds on a GPU, by HTTP", lambda: _adds(cluster, uuids)),
        ("the model adds on a GPU, by gRPC", lambda: _adds(cluster, uuids, "--grpc")),
        ("nvidia-smi shows a process of the model", lambda: _seen(gpus)),
        ("facts know that process and its forefathers", _known),
        ("status -o wide lists the GPUs", lambda: _status(cluster, gpus)),
        ("Triton's metrics name the GPUs", lambda: _metrics(gpus)),
        ("a node is drained while the other answers", lambda: _drain(cluster, uuids)),
        ("down leaves no process on a GPU", lambda: _down(cluster)),
    ]
    for what, step in steps:
        try:
            held, seen = step()
        except (RuntimeError, OSError, KeyError, ValueError, subprocess.SubprocessError) as problem:
            held, seen = False, f"{type(problem).__name__}: {problem}"
        yield Finding(what, held, seen)


def _doctor(cluster: Cluster) -> tuple[bool, str]:
    said = cluster.json("doctor")["findings"]
    bad = [f"{f['level']}: {f['what']}" for f in said if f["level"] != "ok" or "GPU" in f["what"]]
    return all(f["level"] != "fail" for f in said), "; ".join(bad)


def _adds(cluster: Cluster, uuids: set[str], *words: str) -> tuple[bool, str]:
    answer = cluster.json("infer", "gpu_add", *words)
    on = str(answer["outputs"]["GPU"][0])
    held = answer["outputs"]["SUM"] == EXPECTED and on in uuids
    return held, f"{answer['outputs']['SUM']} on {on[:8]} in {answer['milliseconds']} ms"


def _apps() -> dict[int, str]:
    """The processes of Triton's python backend that hold a GPU, and how much of which."""
    rows = smi("--query-compute-apps=pid,gpu_uuid,used_memory", "--format=csv,noheader").splitlines()
    found = {}
    for row in rows:
        pid, _, rest = row.partition(", ")
        command = Path(f"/proc/{pid}/cmdline")
        if pid.isdecimal() and command.exists() and b"triton_python_backend_stub" in command.read_bytes():
            found[int(pid)] = rest
    return found


def _seen(gpus: tuple[Gpu, ...]) -> tuple[bool, str]:
    apps = _apps()
    known = all(any(rest.startswith(g.uuid) for g in gpus) for rest in apps.values())
    return bool(apps) and known, "; ".join(nameless(f"{pid}: {rest}") for pid, rest in apps.items()) or "none"


def _known() -> tuple[bool, str]:
    ours = [p for g in devices(look()) for p in g.processes if "triton_python_backend_stub" in p.name]
    return any(p.parents for p in ours), "; ".join(f"{p.pid} of {p.parents}" for p in ours) or "none"


def _status(cluster: Cluster, gpus: tuple[Gpu, ...]) -> tuple[bool, str]:
    table = cluster.run("status", "-o", "wide").stdout
    lines = [line.strip() for line in table.splitlines() if gpus[0].name in line]
    return len(lines) == 2 * len(gpus), "; ".join(lines)


def _metrics(gpus: tuple[Gpu, ...]) -> tuple[bool | None, str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT + 102}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    named = set(re.findall(r'nv_gpu_\w+\{gpu_uuid="([^"]+)"', text))
    if not named:
        return None, "this Triton has no nv_gpu_* metrics"
    return named <= {g.uuid for g in gpus}, nameless(", ".join(sorted(named)))


def _drain(cluster: Cluster, uuids: set[str]) -> tuple[bool, str]:
    done = cluster.run("drain", "n1", "-m", "gpu-check")
    held, seen = _adds(cluster, uuids)
    node = cluster.json("infer", "gpu_add")["node"]
    back = cluster.run("undrain", "n1")
    return done.returncode == back.returncode == 0 and held and node == "n2", f"{seen} from {node}"


def _down(cluster: Cluster) -> tuple[bool, str]:
    done = cluster.run("down", "-y")
    left = _apps()
    return done.returncode == 0 and not left, f"{len(left)} left" if left else tail(done)


def _mark(finding: Finding) -> str:
    return {True: "ok", False: "FAILED", None: "not told"}[finding.held]


def report(facts: dict[str, str], cluster: Cluster | None, found: list[Finding]) -> str:
    """docs/gpu-check.md."""
    gpus = devices(facts)
    day = datetime.now(timezone.utc).date().isoformat()
    names = ", ".join(f"{g.name} ({g.memory // 1024**2} MiB, driver {g.driver})" for g in gpus)
    rows = "\n".join(f"| {f.what} | {_mark(f)} | {f.seen.replace('|', '/')} |" for f in found)
    return f"""# Run on a GPU

Written by `scripts/gpu-check` on {day}. {len(gpus)} GPU: {names}; CUDA {facts.get("gpus.cuda", "unknown")};
{cluster.how if cluster else "no cluster came up"}.

| check | | seen |
| --- | --- | --- |
{rows}
"""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
