"""Fixtures that more than one folder of tests needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hosts import Hosts, demand, missing


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    """Test hosts, none yet: `hosts.add(name)`. Without them a test is skipped aloud, and fails under CI."""
    demand(missing())
    with Hosts() as made:
        yield made


FIGURES = pytest.StashKey[list[str]]()


@pytest.fixture
def figure(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Tells a measured figure at the end of the run, also of a test that passed."""
    told = pytestconfig.stash.setdefault(FIGURES, [])
    return told.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if figures := config.stash.get(FIGURES, []):
        terminalreporter.section("figures")
        for line in figures:
            terminalreporter.write_line(line)
