"""A real record in a file of its own for each test."""

import pytest

from distctl.adapters.store import SqlStore
from distctl.testing import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / ".distctl" / "prod.db"


@pytest.fixture
def store(path, clock):
    opened = SqlStore(f"sqlite:///{path}", clock=clock, cluster="prod")
    yield opened
    opened.close()
