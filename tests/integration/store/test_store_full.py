"""A disk of twelve megabytes that fills up under the record: what was refused is told, all else is kept."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts import demand
from postgres import Postgres

from distctl.adapters.store import SqlStore
from distctl.cluster.record import AddEvent, Event, Pin, SetPin
from distctl.errors import StoreDamaged, StoreError
from distctl.testing import FakeClock

pytestmark = pytest.mark.hosts  # a file system is mounted


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own."""
    demand("" if os.geteuid() == 0 else "mounting a disk needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "small", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def full(kind: str, small: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a record on that disk."""
    if kind == "sqlite":
        yield f"sqlite:///{small / 'prod.db'}"
        return
    server: Postgres = request.getfixturevalue("server")
    for parent in (small, *small.parents[:4]):
        parent.chmod(parent.stat().st_mode | 0o011)
    place = server.place(small)
    yield server.database(more=f"TABLESPACE {place}")
    server.drop_place(place)


def test_a_full_disk_is_told_and_what_was_kept_stays(full: str, small: Path) -> None:
    store = SqlStore(full, clock=FakeClock())
    lease = store.acquire("ann@ops:1", "up", seconds=60)
    kept = 0
    with pytest.raises(StoreError) as refused:
        for number in range(1, 1000):
            text = os.urandom(20_000).hex()
            store.commit(lease.token, [AddEvent(Event(float(number), "up", "gpu01", text))])
            kept = number
    assert not isinstance(refused.value, StoreDamaged)
    assert "room" in refused.value.hint
    assert kept > 10
    assert [int(e.at) for e in store.events()] == list(range(1, kept + 1))
    store.close()
    subprocess.run(["mount", "-o", "remount,size=40m", small], check=True)
    store.commit(lease.token, [SetPin(Pin("digits", 3, 1))])
    assert store.load().pins["digits"].count == 3
    assert len(store.events()) == kept
    store.close()
