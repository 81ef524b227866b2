"""What HAProxy's socket is asked, and what it answers: text to frozen values.

Everything goes over the master's socket, which reaches each worker by its pid: the admin socket's path may
still be answered by the worker before the last reload.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import itemgetter

from distctl.cluster.router import SlotState

Place = tuple[str, str]  # backend, slot: one server line

MAINTENANCE = 0x01 | 0x02 | 0x20  # forced, inherited from the tracked one, by resolution
DRAINING = 0x08 | 0x10  # forced, inherited
RUNNING = (1, 2)  # srv_op_state: in its slow start; the check passed `rise` times, or was never asked yet


@dataclass(frozen=True, slots=True)
class Line:
    """One server line as a worker has it. `running`: neither DOWN nor off; `weight` as it is now."""

    running: bool
    maintenance: bool
    draining: bool
    weight: int

    @property
    def state(self) -> SlotState:
        """The state in our words; weight 0 is how a drain stands in the file."""
        if self.maintenance:
            return SlotState.OFF
        return SlotState.DRAIN if self.draining or self.weight == 0 else SlotState.READY


@dataclass(frozen=True, slots=True)
class Count:
    """The requests of one server line, or of a whole backend, and HAProxy's words for its last check."""

    in_flight: int
    queued: int
    total: int
    check: str
    limit: int = 0  # requests at once; 0 is without limit


@dataclass(frozen=True, slots=True)
class Processes:
    """The workers that the master knows; `worker` is 0 when there is none."""

    master: int = 0
    worker: int = 0
    old: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Worker:
    """One reading of the running worker."""

    pid: int
    structure: str
    lines: Mapping[Place, Line] = field(default_factory=dict)
    counts: Mapping[Place, Count] = field(default_factory=dict)
    stopping: bool = False  # it takes no new connection


STATISTICS = "show stat -1 6 -1"  # of every backend (2) and server (4)
WHOLE = "BACKEND"  # HAProxy's name for a backend itself among its servers
LOOK = f"show proc;@1 show info;@1 show servers state;@1 {STATISTICS}"
RELOAD = "reload"
GOES = "proc.draining"  # whether the router is to end
TABLES = "@1 show peers;@1 show table"


def old_counts(pids: Iterable[int]) -> str:
    """What to ask for the counts of these workers."""
    return ";".join(f"@!{pid} {STATISTICS}" for pid in pids)


def tell(pid: int, commands: Iterable[str]) -> str:
    """One line that gives commands to exactly that worker."""
    return ";".join(f"@!{pid} {command}" for command in commands)


def complaints(answer: str) -> str:
    """What the socket said to commands that answer nothing when all is well."""
    return " ".join(line.strip() for line in answer.splitlines() if line.strip())


def ask_draining(pid: int) -> str:
    """What to ask a worker for what its health path says."""
    return f"@!{pid} get var {GOES}"


def says_draining(answer: str) -> bool:
    """Whether that answer is that the router is to end."""
    return "value=<1>" in answer


def set_draining(pid: int, draining: bool) -> str:
    """What has a worker's health path say whether the router is to end."""
    return f"experimental-mode on;@!{pid} set var {GOES} bool({'true' if draining else 'false'})"


def reloaded(answer: str) -> bool:
    """Whether a reload succeeded."""
    return "Success=1" in answer.splitlines()


def would_forget(answer: str) -> bool:
    """Whether a reload would lose the places of sequences, from the answer to TABLES.

    A worker hands its tables to the next one only once it has given up looking for a predecessor of its
    own, some ten seconds after its start (the two lowest flags; HAProxy 2.8).
    """
    flags = re.search(r"^0x\w+: .*\bflags=0x([0-9a-f]+) resync_timeout=", answer, re.MULTILINE)
    settled = flags is None or int(flags.group(1), 16) & 3 == 3  # noqa: PLR2004 - both of them
    return not settled and re.search(r"^# table: .* used:[1-9]", answer, re.MULTILINE) is not None


def processes(answer: str) -> Processes:
    """`show proc` as data."""
    found = re.findall(r"^(\d+)\s+(master|worker)\b", _part(answer, "#<PID>"), re.MULTILINE)
    before, _, after = _part(answer, "#<PID>").partition("# old workers")
    master = next((int(pid) for pid, kind in found if kind == "master"), 0)
    current = [int(pid) for pid in re.findall(r"^(\d+)\s+worker\b", before, re.MULTILINE)]
    old = [int(pid) for pid in re.findall(r"^(\d+)\s+worker\b", after, re.MULTILINE)]
    return Processes(master, current[-1] if current else 0, tuple(current[:-1] + old))


def worker(answer: str) -> Worker:
    """The answer to LOOK as data; pid 0 when no worker answered."""
    pid = re.search(r"^Pid: (\d+)$", answer, re.MULTILINE)
    structure = re.search(r"^description: structure=(\w+)$", answer, re.MULTILINE)
    return Worker(
        int(pid.group(1)) if pid else 0,
        structure.group(1) if structure else "",
        dict(_lines(_part(answer, "# be_id"))),
        counts(answer),
        re.search(r"^Stopping: 1$", answer, re.MULTILINE) is not None,
    )


def counts(answer: str) -> dict[Place, Count]:
    """Every `show stat` in an answer, summed by server line."""
    found: dict[Place, Count] = {}
    for part in _parts(answer, "# pxname"):
        rows = csv.reader(part.removeprefix("# ").splitlines())
        names = next(rows)
        cells = itemgetter(*(names.index(name) for name in _CELLS))
        for row in rows:
            name, slot, busy, queued, total, limit, status, code = cells(row)
            check = "/".join(word for word in (status, code) if word)
            count = Count(int(busy or 0), int(queued or 0), int(total or 0), check, int(limit or 0))
            found[name, slot] = _sum(found.get((name, slot)), count)
    return found


# Of some ninety in a row: a thousand slots are read each second, and a mapping of each row would cost most.
_CELLS = ("pxname", "svname", "scur", "qcur", "stot", "slim", "check_status", "check_code")


def _sum(one: Count | None, two: Count) -> Count:
    if one is None:
        return two
    return Count(
        one.in_flight + two.in_flight,
        one.queued + two.queued,
        one.total + two.total,
        one.check or two.check,
        one.limit or two.limit,
    )


def _lines(part: str) -> Iterable[tuple[Place, Line]]:
    header, *rows = part.splitlines() or [""]
    names = header.removeprefix("# ").split()
    for row in rows:
        cells = dict(zip(names, row.split(), strict=False))
        admin = int(cells["srv_admin_state"])
        yield (
            (cells["be_name"], cells["srv_name"]),
            Line(
                int(cells["srv_op_state"]) in RUNNING,
                bool(admin & MAINTENANCE),
                bool(admin & DRAINING),
                int(cells["srv_uweight"]),
            ),
        )


def _parts(answer: str, start: str) -> list[str]:
    """Every run of lines that begins with `start` and ends at an empty line."""
    return [
        part.strip("\n") for part in re.findall(rf"^{re.escape(start)}.*?(?=\n\s*\n|\Z)", answer, re.M | re.S)
    ]


def _part(answer: str, start: str) -> str:
    return next(iter(_parts(answer, start)), "")
