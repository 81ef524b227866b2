"""The controllers that run on this machine: begun in the background, found again, ended.

Each has a file beside the inventory, `.distctl/CLUSTER.controller.PID.pid`: boot, pid and start time.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from distctl.adapters.process import mark, pid_of
from distctl.app import background
from distctl.app.compose import open_inventory
from distctl.app.session import Session
from distctl.cluster.lease import said
from distctl.cluster.record import Lease
from distctl.commands.units import Manager
from distctl.config import Inventory
from distctl.errors import DistctlError

POLL = 0.1  # seconds between two looks at a process that ends
BEGIN = 15.0  # seconds for a controller in the background to come to its first second
WORDS = {
    Manager.SYSTEM: "a systemd unit of this machine",
    Manager.USER: "a systemd unit of this account",
    Manager.DETACHED: "detached: it ends with this machine",
}


@dataclass(frozen=True, slots=True)
class Controllers:
    """Who leads ("" for nobody) and since when, and the pids of those on this machine."""

    leader: str
    since: float
    here: tuple[int, ...]


def folder(inventory: Inventory) -> Path:
    """Where files about controllers are: beside the record of an inventory that names none."""
    return inventory.file.absolute().parent / ".distctl"


def here(inventory: Inventory) -> dict[int, Path]:
    """The controllers of a cluster on this machine: their files by pid. Those of ended ones are removed."""
    found = {}
    for file in sorted(folder(inventory).glob(f"{inventory.spec.cluster}.controller.*.pid")):
        pid = pid_of(file.read_text().strip())
        if pid is not None:
            found[pid] = file
        else:
            file.unlink(missing_ok=True)
    return found


@contextmanager
def registered(inventory: Inventory) -> Iterator[None]:
    """This process is one of them meanwhile."""
    file = folder(inventory) / f"{inventory.spec.cluster}.controller.{os.getpid()}.pid"
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.write_text(mark(os.getpid()))
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def detach(inventory: Inventory, *words: str) -> str:
    """Begin a controller that outlives this command, and say where it is. Raises DistctlError.

    `words` are options of `controller run`.
    """
    before, manager = here(inventory), background.start(inventory, *words)
    log = background.unit_of(inventory).log
    deadline = time.monotonic() + BEGIN
    while not (found := here(inventory)):
        if time.monotonic() > deadline:
            last = Path(log).read_text(errors="replace").splitlines()[-5:]
            raise DistctlError("the controller did not begin: " + " | ".join(last), hint=f"less {log}")
        time.sleep(POLL)
    pid = max(found)
    word = "runs already" if pid in before else "runs"
    return f"the controller {word} as process {pid} ({WORDS[manager]}); its log is {log}"


def stop(inventory: Inventory, seconds: float) -> tuple[int, ...]:
    """Ask every controller on this machine to end, and wait. Raises DistctlError for one that does not."""
    marks = {pid: mark(pid) for pid in here(inventory)}
    background.stop(inventory, seconds)
    for pid in here(inventory):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while left := [pid for pid, marked in marks.items() if pid_of(marked) is not None]:
        if time.monotonic() > deadline:
            raise DistctlError(
                f"process {left[0]} has not ended within {seconds:g} s: a step of its takes that long",
                hint=f"run `distctl controller stop` again, or kill {left[0]}: the next pass goes on there",
            )
        time.sleep(POLL)
    return tuple(marks)


def leader_of(session: Session) -> Lease | None:
    """Who leads now, None for nobody: not a process of this machine that has ended. Raises StoreError."""
    leader = session.store.leader()
    return None if leader is None or session.has_ended(leader.owner) else leader


def standing(inventory: Inventory) -> Controllers:
    """Who leads now, and what runs here. Raises StoreError."""
    with open_inventory(inventory, warn=lambda _: None) as session:
        leader = leader_of(session)
    pids = tuple(here(inventory))
    return Controllers(said(leader.owner) if leader else "", leader.since if leader else 0.0, pids)
