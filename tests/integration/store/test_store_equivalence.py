"""The database and `apply` agree on every sequence of changes."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from distctl.adapters.store import SqlStore
from distctl.cluster import record as r
from distctl.cluster.hours import ALL_NODES, HOUR
from distctl.cluster.router import SlotState
from distctl.cluster.spec import RouterId, ServerId
from distctl.testing import FakeClock, MemoryStore

# Few names, so that changes meet.
nodes = st.sampled_from(["a", "b", "ü 'x'"])
models = st.sampled_from(["m", "n"])
servers = st.builds(ServerId, nodes, st.sampled_from(["0", "1"]))
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
times = st.floats(min_value=0, max_value=4e9)
numbers = st.integers(min_value=0, max_value=2**62)
small = st.integers(min_value=0, max_value=5)
routers = st.builds(RouterId, st.sampled_from(["main", "edge"]), nodes)
loads = st.builds(
    r.Load, servers, models, st.floats(min_value=1e6, max_value=1e6 + 3000), small, small, numbers
)
hours = st.builds(
    lambda model, node, hour, minute, *numbers: r.Hour(
        model, node, hour * HOUR, hour * HOUR + minute * 60, 1, *numbers
    ),
    models,
    nodes | st.just(ALL_NODES),
    st.sampled_from([100, 101, 140, 149, 100 + 24 * 35]),
    small,
    *[small] * 4,
    times,
)
operations = st.builds(
    r.OperationEntry,
    st.sampled_from(["p", "q"]),
    small,
    texts,
    st.sampled_from(list(r.OperationState)),
    times,
    times,
    texts,
)

powers = st.builds(
    r.Power, nodes, st.sampled_from(list(r.PowerState)), times, texts, texts, times, times, small
)

errands = st.builds(
    r.Errand,
    st.sampled_from(["e", "f"]),
    texts,
    texts,
    texts,
    times,
    st.tuples(nodes),
    st.none() | times,
    st.booleans(),
    st.sampled_from(list(r.ErrandState)),
    times,
    st.tuples(texts),
    texts,
)

changes = st.one_of(
    st.builds(r.SetRevision, st.builds(r.Revision, small, texts, texts, times, texts)),
    st.builds(r.SetIntent, st.builds(r.Intent, nodes, st.booleans(), st.booleans(), texts, texts, times)),
    st.builds(r.SetPin, st.builds(r.Pin, models, numbers, small, texts, texts, times)),
    st.builds(r.DropPin, models),
    st.builds(r.SetSized, st.builds(r.Sized, models, small, small, texts, times)),
    st.builds(r.SetPower, powers),
    st.builds(r.SetErrand, errands),
    st.builds(r.SetKey, st.builds(r.Key, models, texts, small, small, st.tuples(models), texts, times)),
    st.builds(r.DropKey, models),
    st.builds(r.SetReplica, st.builds(r.Replica, servers, models, texts, st.sampled_from(list(SlotState)))),
    st.builds(r.DropReplica, servers, models),
    st.builds(r.SetKnown, st.builds(r.Known, nodes, texts)),
    st.builds(r.DropNode, nodes),
    st.builds(r.SetRouter, routers),
    st.builds(r.DropRouter, routers),
    st.builds(r.SetHealth, st.builds(r.Health, servers, texts, texts, times)),
    st.builds(r.SetFacts, nodes, st.dictionaries(texts, texts, max_size=3)),
    st.builds(r.Adopt, st.sampled_from(["x", "y"]), numbers),
    st.builds(r.AddEvent, st.builds(r.Event, times, texts, texts, texts, texts)),
    st.builds(r.SetOperation, operations),
    st.builds(r.AddLoad, loads),
    st.builds(r.AddHour, hours),
)
commits = st.lists(st.lists(changes, max_size=6), max_size=6)


def whole(record: r.Record) -> tuple[object, ...]:
    """A record with what its own and its replicas' equality leave out."""
    slots = {(x.server, x.model): (x.digest, x.slot) for x in record.replicas}
    return replace(record, replicas=frozenset()), record.serial, slots


LOAD = r.AddLoad(r.Load(ServerId("a", "0"), "m", 1e6, 0, 0, 0))


def same_after(url: str, sequence: list[list[r.Change]]) -> None:
    """A new record at `url` and one in memory cannot be told apart after each of some commits."""
    clock = FakeClock()
    store = SqlStore(url, clock=clock)
    memory = MemoryStore(clock=clock, record=store.load())
    for batch in sequence:
        store.commit(None, batch)
        memory.commit(None, batch)
        assert whole(store.load()) == whole(memory.load())
    store.close()

    again = SqlStore(url, clock=clock)
    assert whole(again.load()) == whole(memory.load())
    assert list(again.events()) == list(memory.events())
    assert list(again.history()) == list(memory.history())
    for plan in ("p", "q"):
        assert list(again.operations(plan)) == list(memory.operations(plan))
    for errand in ("e", "f"):
        assert again.errand(errand) == memory.errand(errand)
    assert list(again.hours()) == list(memory.hours())
    assert list(again.hours(since=1e6, model="m")) == list(memory.hours(since=1e6, model="m"))
    assert list(again.loads()) == kept(memory.loads(), sequence)
    again.close()


@given(commits)
@example([[LOAD], [r.DropNode("a"), LOAD]])
@settings(max_examples=80)
def test_the_store_in_a_file_is_as_the_one_in_memory(sequence):
    with tempfile.TemporaryDirectory() as folder:
        same_after(f"sqlite:///{Path(folder) / 'r.db'}", sequence)


@given(sequence=commits)
@example([[LOAD], [r.DropNode("a"), LOAD]])
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_the_store_on_a_server_is_as_the_one_in_memory(server, sequence):
    same_after(server.database(), sequence)


def kept(loads: Sequence[r.Load], sequence: list[list[r.Change]]) -> list[r.Load]:
    """The loads without those whose node was forgotten after them; of equal ones the newest stay."""
    left: list[r.Load] = []
    for change in (change for batch in sequence for change in batch):
        if isinstance(change, r.AddLoad):
            left.append(change.load)
        elif isinstance(change, r.DropNode):
            left = [load for load in left if load.server.node != change.node]
    found = []
    for load in reversed(loads):
        if load in left:
            left.remove(load)
            found.append(load)
    return found[::-1]
