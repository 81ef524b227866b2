"""A record that goes from its file to another database: with all that it has, whole or not at all."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from sqlalchemy import create_engine, select

from distctl.adapters.store import SqlStore
from distctl.adapters.store.engine import parse
from distctl.adapters.store.schema import metadata
from distctl.app.record_copy import copy_record
from distctl.cluster.record import (
    AddEvent,
    AddLoad,
    Event,
    Key,
    Load,
    OperationEntry,
    Pin,
    Revision,
    SetKey,
    SetOperation,
    SetPin,
    SetRevision,
)
from distctl.cluster.spec import ServerId
from distctl.errors import InputError, LeaseHeld, Refused, StoreError
from distctl.testing import FakeClock


@pytest.fixture
def old(tmp_path):
    """A record in a file that has seen something, and whose lease is held."""
    store = SqlStore(f"sqlite:///{tmp_path / 'old.db'}", clock=FakeClock(), cluster="prod")
    key = Key("ci", "ab" * 32, 5, 2, ("digits",), "ann", 5.0)
    store.commit(None, [SetPin(Pin("digits", 3, 1)), SetKey(key), SetRevision(Revision(1, "{}", "ann", 1.0))])
    store.commit(None, [AddEvent(Event(float(n), "up", "gpu01", str(n))) for n in range(2500)])
    store.commit(
        None, [SetOperation(OperationEntry("p", 1, "push")), SetRevision(Revision(2, "[]", "bob", 2.0))]
    )
    store.commit(None, [AddLoad(Load(ServerId("gpu01", "0"), "digits", 5.0, 1, 2, 3))])
    store.acquire("ann@ops:1", "copying", seconds=60)
    yield store
    store.close()


def rows(url: str) -> dict[str, list[tuple[object, ...]]]:
    """All that is in a database but who holds what."""
    engine = create_engine(parse(url))
    with engine.connect() as connection:
        tables = [t for t in metadata.sorted_tables if t.name not in ("lease", "leader")]
        found = {t.name: sorted(map(tuple, connection.execute(select(t)))) for t in tables}
    engine.dispose()
    return found


def test_all_of_it_is_there_afterwards_and_goes_on(old, store, url, tmp_path):
    store.become(old)
    assert rows(url) == rows(f"sqlite:///{tmp_path / 'old.db'}")
    assert len(rows(url)["events"]) == 2500
    assert store.load() == old.load()
    assert store.holder() is None
    lease = store.acquire("bob@ci:2", "up", seconds=60)
    assert lease.token == 2
    store.commit(lease.token, [AddEvent(Event(3000.0, "up", "gpu01", "new"))])
    assert store.events()[-1].text == "new"


def test_a_record_that_is_there_is_not_written_over(old, store):
    store.commit(None, [SetPin(Pin("other", 1, 1))])
    with pytest.raises(Refused, match="there is a record already"):
        store.become(old)
    assert set(store.load().pins) == {"other"}


def test_none_is_begun_while_the_earlier_one_lies_in_its_file(old, opened, tmp_path):
    former = tmp_path / "old.db"
    store = opened(cluster="prod", former=former)
    with pytest.raises(StoreError, match="lies in ") as refused:
        store.load()
    assert "distctl record copy" in refused.value.hint
    store.become(old)
    assert store.load() == old.load()


def test_none_is_missed_where_there_was_none(opened):
    assert opened(former=Path("/nowhere/prod.db")).load().pins == {}


@pytest.fixture
def session(tmp_path, url, store, clock):
    """An operator with an inventory in `tmp_path` that names the new place."""
    inventory = SimpleNamespace(
        file=tmp_path / "cluster.yaml", spec=SimpleNamespace(cluster="prod"), store=SimpleNamespace(url=url)
    )
    return SimpleNamespace(
        inventory=inventory, spec=inventory.spec, clock=clock, owner="bob@ci:2", author="bob@ci", store=store
    )


def test_the_file_is_set_aside_once_it_was_copied(old, session, store, tmp_path):
    old.release(old.holder())
    old.close()
    left = copy_record(session, tmp_path / "old.db")
    assert not (tmp_path / "old.db").exists()
    assert left.name.startswith("old.db.moved-")
    assert store.load().pins["digits"].count == 3
    again = SqlStore(f"sqlite:///{left}", clock=FakeClock())
    assert again.load() == store.load()
    again.close()


def test_a_file_that_somebody_has_open_is_not_renamed_under_them(old, session, store, tmp_path):
    old.release(old.holder())
    with pytest.raises(StoreError, match="was copied, but another process has this file open"):
        copy_record(session, tmp_path / "old.db")
    assert store.load() == old.load()


def test_one_that_is_in_use_is_not_copied(old, session, tmp_path):
    with pytest.raises(LeaseHeld, match="ann@ops:1"):
        copy_record(session, tmp_path / "old.db")
    old.lead("ctl@a:1", seconds=60)
    with pytest.raises(Refused, match="a controller leads by the old record: ctl@a:1"):
        copy_record(session, tmp_path / "old.db")
    assert (tmp_path / "old.db").exists()


def test_no_file_and_the_same_file(session, tmp_path):
    with pytest.raises(InputError, match=r"\.distctl/prod\.db: there is no record"):
        copy_record(session, None)
    file = tmp_path / "same.db"
    file.touch()
    session.inventory.store.url = f"sqlite:///{file}"
    with pytest.raises(InputError, match="keeps the record there already"):
        copy_record(session, file)
