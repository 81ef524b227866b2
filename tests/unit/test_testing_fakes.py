"""The shipped fakes keep the promises of the ports they stand for, and break when a test says so."""

import socket
from pathlib import Path

import pytest

from distctl.cluster.content import Archive, FileEntry, Folder
from distctl.cluster.record import AddEvent, Event, Pin, SetPin
from distctl.cluster.router import Pool, RouterView, Slot, SlotState
from distctl.cluster.snapshot import ModelState, Owner, ReplicaSight
from distctl.cluster.spec import Endpoint, RouterId, Server, ServerId
from distctl.errors import (
    CommandFailed,
    ForeignNode,
    LeaseHeld,
    NodeError,
    NodeLocked,
    RouterError,
    StaleGeneration,
    TritonError,
    Unreachable,
)
from distctl.ports import Connector, History, Result, RouterControl, Store, TritonClient, Upload
from distctl.testing import (
    Calls,
    Crash,
    FakeClock,
    FakeConnector,
    FakeMachine,
    FakeNode,
    FakeRouter,
    FakeTriton,
    MemoryStore,
)

ID = ServerId("gpu01", "0")
SERVER = Server(ID, "10.0.0.1", 9000, 9001, 9002)
OURS = Owner("prod", "r1", 3, by="ann")
FOLDER = Folder(Path("digits"), (FileEntry("config.pbtxt", 10, "00"),))


# --- calls ---


def test_a_process_dies_after_the_change_that_took_effect_and_does_nothing_more():
    calls = Calls()
    store = MemoryStore(calls=calls)
    calls.crash_after(2)
    store.commit(None, [SetPin(Pin("a", 1, 1))])
    with pytest.raises(Crash):
        store.commit(None, [SetPin(Pin("b", 1, 1))])
    with pytest.raises(Crash):
        store.commit(None, [SetPin(Pin("c", 1, 1))])
    with pytest.raises(Crash):
        store.load()
    calls.restart()
    assert set(store.load().pins) == {"a", "b"}
    assert calls.changes == ["store: commit SetPin"] * 2


def test_a_crash_after_nothing_lets_nothing_take_effect():
    calls = Calls()
    store = MemoryStore(calls=calls)
    calls.crash_after(0)
    with pytest.raises(Crash):
        store.commit(None, [SetPin(Pin("a", 1, 1))])
    assert store.record.pins == {}


def test_no_handler_of_errors_swallows_a_crash():
    assert not issubclass(Crash, Exception)


def test_a_call_fails_as_often_as_it_was_told_and_without_effect():
    calls = Calls()
    triton = FakeTriton("gpu01/0", calls=calls)
    triton.repository = {"digits": "d1"}
    triton.boot()
    calls.fail("unload", TritonError("cut"), times=2)
    for _ in range(2):
        with pytest.raises(TritonError, match="cut"):
            triton.unload("digits")
        assert triton.loaded == {"digits": "d1"}
    triton.unload("digits")
    assert triton.loaded == {}


def test_a_watcher_sees_the_world_after_each_change():
    calls = Calls()
    store = MemoryStore(calls=calls)
    seen = []
    calls.watch = lambda name: seen.append((name, set(store.record.pins)))
    store.commit(None, [SetPin(Pin("a", 1, 1))])
    assert seen == [("store: commit SetPin", {"a"})]


# --- store and clock ---


def test_the_store_in_memory_is_one():
    store: Store = MemoryStore()
    history: History = MemoryStore()
    assert store.load().id != history.history()


def test_time_passes_only_by_sleeping():
    clock = FakeClock(100.0)
    clock.sleep(2.5)
    clock.advance(-1.0)
    assert clock.now() == 101.5


def test_the_lease_in_memory_expires_by_the_clock():
    clock = FakeClock()
    store = MemoryStore(clock=clock)
    ann = store.acquire("ann@ops:1", "up", seconds=60)
    with pytest.raises(LeaseHeld):
        store.acquire("bob@ci:2", "scale", seconds=60)
    clock.advance(60)
    bob = store.acquire("bob@ci:2", "scale", seconds=60)
    with pytest.raises(LeaseHeld):
        store.commit(ann.token, [AddEvent(Event(1.0, "up", "a", "b"))])
    assert list(store.events()) == []
    store.release(bob)
    assert store.holder() is None


def test_a_commit_that_fails_half_way_leaves_nothing():
    store = MemoryStore()
    with pytest.raises(TypeError):
        store.commit(None, [SetPin(Pin("a", 1, 1)), "no change"])  # type: ignore[list-item]
    assert store.load().pins == {}


# --- connector ---


def test_a_connector_answers_from_its_script_and_notes_what_it_was_asked():
    broken = CommandFailed("gpu01", "read the disk", 2)
    connector = FakeConnector([("gpu", Result(0, "A100\n", "")), ("disk", broken)])
    port: Connector = connector
    assert port.run("nvidia-smi", tried="read the gpu", deadline=5).stdout == "A100\n"
    assert port.run("true", tried="nothing", deadline=5) == Result(0, "", "")
    with pytest.raises(CommandFailed):
        port.run("df", tried="read the disk", deadline=7)
    assert [(a.script, a.deadline) for a in connector.runs] == [("nvidia-smi", 5), ("true", 5), ("df", 7)]


def test_a_connector_keeps_the_files_it_was_given(tmp_path):
    (tmp_path / "here").write_bytes(b"12345")
    connector, told = FakeConnector(), []
    connector.put(
        [Upload(tmp_path / "here", "/a"), Upload(b"678", "/b", 0o600)],
        deadline=5,
        progress=lambda done, total: told.append((done, total)),
    )
    assert connector.files == {"/a": (b"12345", 0o644), "/b": (b"678", 0o600)}
    assert told == [(5, 8), (8, 8)]


def test_a_connector_dials_only_where_it_was_told():
    with pytest.raises(Unreachable):
        FakeConnector().dial(Endpoint("127.0.0.1", 1), timeout=1)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert FakeConnector(dials=lambda _target: ours).dial("/run/x.sock", timeout=1) is ours


# --- triton ---


def test_a_slow_model_is_ready_after_so_many_looks_and_an_old_content_serves_meanwhile():
    triton = FakeTriton("gpu01/0")
    client: TritonClient = triton
    triton.repository, triton.slow = {"digits": "d1"}, {"digits": 2}
    triton.boot()
    assert [client.index()["digits"].state for _ in range(3)] == [
        ModelState.LOADING,
        ModelState.READY,
        ModelState.READY,
    ]
    triton.repository["digits"], triton.slow["digits"] = "d2", 3
    client.load("digits")
    assert (client.index()["digits"].state, triton.loaded["digits"]) == (ModelState.LOADING, "d1")
    assert triton.sights()["digits"].state is ModelState.READY
    client.index()
    assert triton.loaded["digits"] == "d2"


def test_a_broken_model_says_why():
    triton = FakeTriton("gpu01/0")
    triton.repository, triton.broken = {"digits": "d1"}, {"digits": "no such backend"}
    triton.boot()
    assert triton.index() == {"digits": ReplicaSight(ModelState.UNAVAILABLE, "no such backend")}


def test_a_triton_that_is_down_answers_nothing_and_forgets_what_was_loaded():
    triton = FakeTriton("gpu01/0")
    triton.repository = {"digits": "d1"}
    triton.boot()
    triton.shut()
    assert not triton.live()
    for call in (triton.index, lambda: triton.load("digits"), lambda: triton.unload("digits")):
        with pytest.raises(TritonError):
            call()
    assert triton.loaded == {}


def test_what_is_not_in_the_repository_cannot_be_loaded():
    triton = FakeTriton("gpu01/0")
    triton.boot()
    with pytest.raises(TritonError, match="no such model"):
        triton.load("digits")


# --- node ---


@pytest.fixture
def triton():
    return FakeTriton("gpu01/0")


@pytest.fixture
def machine():
    return FakeMachine("gpu01")


@pytest.fixture
def node(machine, triton):
    return FakeNode(machine, lambda _server: triton)


def test_a_server_starts_with_the_models_that_are_stored(node, machine, triton):
    node.claim(OURS)
    node.install(Archive(Path("rt"), "rt1", 1, 1))
    node.push("digits", FOLDER)
    assert node.configure(SERVER, {"digits": FOLDER.digest, "gone": "d9"}, {"xray": "/srv/xray"})
    assert not node.configure(SERVER, {"digits": FOLDER.digest, "gone": "d9"}, {"xray": "/srv/xray"})
    node.start(SERVER)
    assert triton.loaded == {"digits": FOLDER.digest, "xray": "/srv/xray"}
    sight = node.look()
    assert (sight.runtimes, sight.models) == ({"rt1"}, {"digits": {FOLDER.digest}})
    assert sight.links == {("0", "digits"): FOLDER.digest, ("0", "gone"): "d9"}
    unit = sight.units["server-0"]
    assert unit.wanted_up
    assert unit.process is not None
    node.start(SERVER)
    assert node.look().units["server-0"].process == unit.process


def test_a_stopped_server_is_down_and_a_node_is_removed_only_then(node, triton):
    node.claim(OURS)
    node.configure(SERVER, {}, {})
    node.start(SERVER)
    with pytest.raises(NodeError, match="server-0 still runs"):
        node.remove()
    node.stop(SERVER, seconds=5)
    assert not triton.up
    node.remove()
    assert (node.look().units, node.look().owner) == ({}, None)


def test_only_what_is_named_survives_a_prune(node):
    node.claim(OURS)
    node.install(Archive(Path("rt"), "rt1", 1, 1))
    node.push("digits", FOLDER)
    node.prune({"digits": frozenset({FOLDER.digest})}, frozenset())
    assert (node.look().runtimes, set(node.look().models)) == (frozenset(), {"digits"})
    node.prune({}, frozenset())
    assert node.look().models == {}


def test_a_node_that_was_not_claimed_refuses_every_change(node):
    with pytest.raises(ForeignNode):
        node.push("digits", FOLDER)


@pytest.mark.parametrize(
    ("found", "error"),
    [
        (Owner("staging", "r1", 1), ForeignNode),
        (Owner("prod", "r2", 1), ForeignNode),
        (Owner("prod", "r1", 4), StaleGeneration),
    ],
)
def test_the_owner_file_has_the_last_word_before_and_after_the_claim(node, machine, found, error):
    machine.owner = found
    with pytest.raises(error):
        node.claim(OURS)
    assert machine.owner == found
    machine.owner = None
    node.claim(OURS)
    machine.owner = found
    with pytest.raises(error):
        node.configure(SERVER, {}, {})


def test_a_locked_or_unreachable_node_refuses(node, machine):
    machine.locked_by = "bob"
    with pytest.raises(NodeLocked, match="bob"):
        node.claim(OURS)
    machine.locked_by, machine.reachable = "", False
    with pytest.raises(Unreachable):
        node.claim(OURS)
    assert node.look().error == "no route to host"


# --- router ---


def view(**states: SlotState) -> RouterView:
    slots = tuple(Slot(ServerId(name, "0"), "10.0.0.1", 1, 2, state) for name, state in states.items())
    router = RouterId("main", "local")
    return RouterView(router, "prod", "127.0.0.1", 8000, 8001, 8002, (Pool("digits", slots),))


def test_a_router_becomes_what_its_view_says_and_reloads_only_for_another_structure():
    router = FakeRouter(RouterId("main", "local"))
    port: RouterControl = router
    assert not port.look().running
    said = [
        port.apply(view(a=SlotState.OFF), deadline=5),
        port.apply(view(a=SlotState.READY), deadline=5),
        port.apply(view(a=SlotState.READY), deadline=5),
        port.apply(view(a=SlotState.READY, b=SlotState.OFF), deadline=5),
    ]
    assert said == ["launched", "1 slots set", "nothing to do", "reloaded"]
    slot = port.look().slot("digits", ServerId("a", "0"))
    assert slot is not None
    assert slot.state is SlotState.READY
    assert router.sends_to("digits") == {ServerId("a", "0")}
    port.stop(deadline=5)
    assert router.sends_to("digits") == frozenset()


def test_requests_end_in_a_draining_slot_and_in_no_other():
    router = FakeRouter(RouterId("main", "local"))
    place = ("digits", ServerId("a", "0"))
    router.apply(view(a=SlotState.READY), deadline=5)
    router.in_flight[place] = 3
    router.look()
    assert router.in_flight[place] == 3
    router.apply(view(a=SlotState.DRAIN), deadline=5)
    assert [router.look().slot(*place).in_flight for _ in range(4)] == [2, 1, 0, 0]  # type: ignore[union-attr]


@pytest.mark.parametrize("close", ["slot", "router"])
def test_a_router_tells_what_it_cut(close):
    lost = []
    router = FakeRouter(RouterId("main", "local"), lose=lost.append)
    router.apply(view(a=SlotState.READY), deadline=5)
    router.in_flight["digits", ServerId("a", "0")] = 2
    if close == "slot":
        router.apply(view(a=SlotState.OFF), deadline=5)
    else:
        router.stop(deadline=5)
    assert lost == ["main@local: 2 requests of digits on a/0 when its slot was closed"]


def test_a_router_that_does_not_answer():
    router = FakeRouter(RouterId("main", "local"))
    router.reachable = False
    with pytest.raises(RouterError):
        router.apply(view(), deadline=5)
    assert router.look().error == "no answer"
