"""What the generator itself needs of the machine: the CPU it used, and how long it waited to be given one.

Its requests are sent by one thread. Where that thread runs or waits for a processor nearly all the time, the
figures are the generator's own, however little CPU it used: on a machine that also serves it gets no more.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from distctl.policy.bench.tally import Own

SCHEDSTAT = Path(
    "/proc/self/schedstat"
)  # ns on a processor, ns waiting for one, of the process's first thread


def used() -> Own:
    """Seconds so far; where the kernel is not Linux nobody knows of waiting, and it is 0."""
    waited = 0.0
    with suppress(OSError, ValueError, IndexError):
        waited = int(SCHEDSTAT.read_text().split()[1]) / 1e9
    return Own(time.process_time(), waited)


def share(before: Own, seconds: float) -> Own:
    """What was used since `before`, as parts of one core over so many seconds."""
    now = used()
    return Own((now.cpu - before.cpu) / seconds, (now.waited - before.waited) / seconds)
