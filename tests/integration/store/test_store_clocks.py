"""Operators whose clocks disagree by ten minutes: a lease runs out by the server's, for all of them."""

import os
import subprocess
import sys
import time

import pytest
from host_boot import FAKETIME, missing_clock
from hosts import demand

TAKE = """
import sys, time
from distctl.adapters.clock import SystemClock
from distctl.adapters.store import SqlStore
from distctl.errors import LeaseHeld
store = SqlStore(sys.argv[1], clock=SystemClock())
try:
    print(store.acquire(sys.argv[2], "up", seconds=float(sys.argv[3])).token)
except LeaseHeld as error:
    print(error.message)
print("held" if store.holder() else "free", round(time.time()))
store.close()
"""


@pytest.fixture
def kind():
    return "postgresql"


@pytest.fixture
def take(url):
    """Somebody's try for the lease, in a process that believes it is earlier or later by some seconds."""
    demand(missing_clock())

    def do(owner: str, seconds: float, offset: int) -> tuple[str, str]:
        clock = {"LD_PRELOAD": FAKETIME, "FAKETIME": f"{offset:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        done = subprocess.run(
            [sys.executable, "-c", TAKE, url, owner, str(seconds)],
            env={**os.environ, **clock},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        said, state = done.splitlines()
        stands, now = state.split()
        assert abs(int(now) - time.time() - offset) < 20, "its clock is not the one that was asked for"
        return said, stands

    return do


def test_a_lease_is_not_taken_early_and_not_kept_for_long(take):
    """Ann's clock is five minutes ahead, Bob's five behind: neither takes it early, neither has to wait."""
    ahead, behind = ("ann@one:1", 300), ("bob@two:2", -300)

    def tries(who: tuple[str, int], seconds: float) -> tuple[str, str]:
        return take(who[0], seconds, who[1])

    assert tries(ahead, 30) == ("1", "held")
    said, stands = tries(behind, 30)
    assert "ann@one:1 has been changing this cluster" in said
    assert stands == "held"
    assert tries(ahead, 0.2)[0] == "1"  # renewed, for a moment
    time.sleep(0.3)
    assert tries(behind, 30) == ("2", "held")
    assert "bob@two:2 has been changing this cluster" in tries(ahead, 30)[0]
