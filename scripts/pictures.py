"""Render docs/pictures/*.svg from real runs: `plan`, `status`, and a Triton killed under load.

    python scripts/pictures.py

A real cluster of three nodes is brought up on this machine (loopback ports from 26000 on) and taken down
again. What the commands print is taken from a terminal of their own, colours included.
"""

from __future__ import annotations

import asyncio
import fcntl
import getpass
import io
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.clients import Clients, Tally  # noqa: E402
from benchmarks.cluster import LocalCluster, local_cluster, write_inventory  # noqa: E402
from benchmarks.work import MODELS, distctl, environment, say, working  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
WIDTH = 98
STEP = 0.5  # seconds of one line in the picture of a kill
BEFORE, AFTER = 2.0, 3.0  # seconds of load before and after the kill
SHOWN = {name: ROOT / "model_repo" / name for name in ("digits", "tumour")} | {"floats": MODELS / "floats"}


def main() -> None:
    """Bring the cluster up, take the pictures, take it down."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    nodes = ("n1", "n2", "n3")
    with working(1, 1) as work:
        folder = work.folder / "cluster"
        planned = write_inventory(folder, nodes=nodes, models=SHOWN)
        draw("plan", [command(planned, "plan")])
        with local_cluster(folder, nodes=nodes, models=SHOWN) as cluster:
            cluster.wait_ready()
            draw("kill", [kill(cluster)])
            cluster.wait_ready()
            cluster.cli("drain", "n3", "-m", "kernel update")
            draw("status", [command(cluster, "status")])


def draw(name: str, parts: list[Text | Table]) -> None:
    """Write one picture. Fonts are the reader's own: nothing is fetched from elsewhere."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    for part in parts:
        console.print(part)
    date = datetime.now(timezone.utc).strftime("%Y-%m-%d")
    svg = console.export_svg(title=f"distctl {name}, {date}", unique_id=f"distctl-{name}")
    svg = re.sub(r"\s*@font-face \{.*?\}\n", "\n", svg, flags=re.DOTALL)
    (PICTURES / f"{name}.svg").write_text(svg)
    say(f"docs/pictures/{name}.svg")


def command(cluster: LocalCluster, *words: str) -> Text:
    """A prompt, and what the command prints on a terminal."""
    shown = Text.assemble(("$ ", "dim"), (f"distctl {' '.join(words)}\n", "bold"))
    return shown + Text.from_ansi(terminal([*distctl(), *words], cluster))


def terminal(argv: list[str], cluster: LocalCluster) -> str:
    """What a program writes to a terminal of its own, of the pictures' width; the user is not shown."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, WIDTH, 0, 0))
    env = environment(TERM="xterm-256color", DISTCTL_INVENTORY=str(cluster.inventory), COLUMNS=str(WIDTH))
    process = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, env=env, close_fds=True)
    os.close(theirs)
    parts = []
    with suppress(OSError):  # a terminal ends with an error once nobody holds its other side
        while part := os.read(ours, 65536):
            parts.append(part)
    process.wait(60)
    os.close(ours)
    text = b"".join(parts).decode().replace("\r\n", "\n").rstrip()
    return text.replace(f"{getpass.getuser()}@{socket.gethostname()}", "ops@laptop")


def kill(cluster: LocalCluster) -> Table:
    """Kill the Triton of n2 under load, and what the clients of the router saw of it."""
    killed: list[float] = []

    def event() -> None:
        os.kill(cluster.server_pid("n2"), signal.SIGKILL)
        killed.append(time.monotonic())

    tally = asyncio.run(Clients(*cluster.router).during(event, before=BEFORE, after=AFTER))
    say(f"requests {tally.requests}, failed {tally.failed}, longest {tally.longest * 1000:.0f} ms")
    grid = Table(
        box=None,
        min_width=WIDTH,
        pad_edge=False,
        header_style="bold",
        title_justify="left",
        caption_justify="left",
    )
    grid.title = Text("16 clients over HTTP and gRPC check every answer; one of three Tritons is killed")
    for name in ("seconds", "requests", "failed", "longest ms"):
        grid.add_column(name, justify="right")
    grid.add_column("")
    for row in timeline(tally, killed[0]):
        grid.add_row(*row)
    style = "bold green" if not tally.failed else "bold red"
    longest = f"{tally.longest * 1000:.0f} ms"
    grid.caption = Text(f"requests {tally.requests}, failed {tally.failed}, longest {longest}", style=style)
    return grid


def timeline(tally: Tally, killed: float) -> Iterator[tuple[str, str, str, str, Text]]:
    """A line for each half second, counted from the kill."""
    for number in range(-round(BEFORE / STEP), round(AFTER / STEP)):
        low, high = killed + number * STEP, killed + (number + 1) * STEP
        times = [took for at, took in tally.answers if low <= at < high]
        failed = sum(low <= at < high for at, _ in tally.failures)
        mark = Text("kill -9 of the Triton of n2", "bold red") if number == 0 else Text("")
        longest = f"{max(times, default=0) * 1000:.0f}"
        yield f"{number * STEP:+.1f}", str(len(times)), str(failed), longest, mark


if __name__ == "__main__":
    main()
