"""Fixtures that more than one folder of tests needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hosts import Hosts, demand, missing
from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is: speed is for benchmarks.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    """Test hosts, none yet: `hosts.add(name)`. Without them a test is skipped aloud, and fails under CI."""
    demand(missing())
    with Hosts() as made:
        yield made


@pytest.fixture
def figure(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Tells a measured figure at the end of the run, also of a test that passed."""
    return lambda text: request.node.user_properties.append(("figure", text))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = (report for found in terminalreporter.stats.values() for report in found)
    calls = (report for report in reports if getattr(report, "when", "") == "call")
    if figures := [text for report in calls for name, text in report.user_properties if name == "figure"]:
        terminalreporter.section("figures")
        for text in figures:
            terminalreporter.write_line(text)
