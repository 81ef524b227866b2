"""Fixtures that more than one folder of tests needs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hosts import Hosts, demand, missing


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    """Test hosts, none yet: `hosts.add(name)`. Without them a test is skipped aloud, and fails under CI."""
    demand(missing())
    with Hosts() as made:
        yield made
