"""Fixtures that more than one folder of tests needs."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hosts import Hosts, missing


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    """Test hosts, none yet: `hosts.add(name)`. Without them a test is skipped aloud, and fails under CI."""
    if why := missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    with Hosts() as made:
        yield made
