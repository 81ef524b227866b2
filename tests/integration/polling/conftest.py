"""Thousands of stand-ins for Triton in a process of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from polling_parts import Crowd, free_port

from distctl.adapters.polling import Poller
from distctl.cluster.snapshot import ServerSight
from distctl.cluster.spec import ServerId


@pytest.fixture
def crowd() -> Iterator[Crowd]:
    found = Crowd(free_port(), free_port())
    argv = [sys.executable, "-m", "distctl.testing.many", str(found.http), str(found.metrics)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield found
        process.kill()


@pytest.fixture
def poller() -> Iterator[Poller]:
    made = Poller().start()
    yield made
    made.close()


@pytest.fixture
def seen(poller: Poller) -> Callable[[int], ServerSight]:
    """The sight of a server by number."""
    return lambda number: poller.servers(wait=5.0)[ServerId(f"n{number}", "0")]
