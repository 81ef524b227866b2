"""200 MB to one host: distctl's copier against scp and rsync."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.others import Operator, operator, unavailable
from benchmarks.work import Aim, Section, Work, median, say, spread
from benchmarks.work import run as command

SIZE = 200 * 10**6
WHY = "encryption and framing run in one Python process here, in C in OpenSSH"


def run(work: Work) -> list[Section]:
    """One file of noise, in turn. Raises RuntimeError without hosts."""
    if why := unavailable(("ssh", "scp", "rsync")):
        raise RuntimeError(why)
    section = Section(
        "pushing",
        "Copying: 200 MB to one host",
        f"A file of noise to a test host over loopback, connection included, {work.rounds} rounds in turn, "
        "medians; rsync without compression.",
        ["tool", "MB/s", "seconds", "to scp"],
    )
    noise = work.folder / "noise"
    noise.write_bytes(os.urandom(1 << 20) * (SIZE >> 20) + os.urandom(SIZE % (1 << 20)))
    with operator(work, 1) as one:
        tools = {"scp": partial(_scp, one, noise), "rsync": partial(_rsync, one, noise)}
        tools["distctl"] = partial(_ours, one, noise)
        found = _rounds(work, one, tools)
    rates = {tool: [SIZE / 1e6 / seconds for seconds in times] for tool, times in found.items()}
    ratio = {tool: median([s / t for s, t in zip(found["scp"], found[tool], strict=True)]) for tool in found}
    for tool in found:
        section.rows.append([tool, spread(rates[tool], 0), spread(found[tool]), f"{ratio[tool]:.2f}"])
    section.aims.append(Aim("rate of scp", 0.9, ratio["distctl"], at_most=False, why=WHY))
    section.figures = {"push_mb_s": median(rates["distctl"]), "push_to_scp": ratio["distctl"]}
    return [section]


def _rounds(work: Work, one: Operator, tools: dict[str, Callable[[], None]]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {tool: [] for tool in tools}
    host = next(iter(one.hosts))
    for number in range(work.rounds + 1):
        for tool, copy in tools.items():
            began = time.perf_counter()
            copy()
            took = time.perf_counter() - began
            if host.run("stat -c %s /root/noise").stdout.strip() != str(SIZE):
                raise RuntimeError(f"{tool} did not copy everything")
            host.run("rm /root/noise")
            if number:  # the first warms the caches
                found[tool].append(took)
                say(f"{tool}: {SIZE / 1e6 / took:.0f} MB/s")
    return found


def _scp(one: Operator, noise: Path) -> None:
    command(["scp", "-q", "-F", one.ssh_config, noise, f"root@{one.addresses[0]}:/root/noise"], timeout=120)


def _rsync(one: Operator, noise: Path) -> None:
    shell = f"ssh -F {one.ssh_config}"
    command(["rsync", "-e", shell, noise, f"root@{one.addresses[0]}:/root/noise"], timeout=120)


def _ours(one: Operator, noise: Path) -> None:
    from distctl.adapters.ssh import Connections
    from distctl.ports import Upload

    with Connections(secret=lambda _: "", warn=say, account=one.hosts.account) as connections:
        connector = connections.connector(next(iter(one.hosts)).node())
        connector.put([Upload(noise, "/root/noise", 0o600)], deadline=120)
