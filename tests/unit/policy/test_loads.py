"""What the record keeps of load: means of a minute, from looks at which every router answered."""

from __future__ import annotations

from distctl.cluster.record import AddLoad, Load
from distctl.cluster.router import RouterSight, SlotSight, SlotState
from distctl.cluster.snapshot import Snapshot
from distctl.cluster.spec import RouterId, ServerId
from distctl.policy.loads import Minute, added

A, B = ServerId("a", "0"), ServerId("b", "0")
ONE, TWO = RouterId("main", "lb1"), RouterId("main", "lb2")


def look(at: float, busy: int, queued: int = 0, total: int = 0, *, silent: bool = False) -> Snapshot:
    slot = SlotSight(SlotState.READY, True, busy, queued, total=total)
    idle = SlotSight(SlotState.READY, True, 0, 0)
    slots = (("digits", A, slot), ("digits", B, idle))
    second = RouterSight(
        TWO, running=not silent, error="cut" if silent else "", slots=() if silent else slots
    )
    return Snapshot(at, routers={ONE: RouterSight(ONE, running=True, slots=slots), TWO: second})


def test_a_minute_is_one_row_with_means_rounded_up_over_all_routers() -> None:
    minute, rows = Minute(), []
    for second in range(60):
        minute, new = added(minute, look(600.0 + second, busy=2 if second < 6 else 0, queued=1, total=second))
        rows += new
    assert rows == []
    minute, rows = added(minute, look(660.0, busy=0))
    assert rows == [AddLoad(Load(A, "digits", 600.0, in_flight=1, queued=2, total=118))]
    assert (minute.begun, minute.looks) == (660.0, 1)


def test_a_look_without_a_router_is_left_out() -> None:
    minute, _ = added(Minute(), look(600.0, busy=4))
    minute, _ = added(minute, look(601.0, busy=9, silent=True))
    assert minute.looks == 1
    _, rows = added(minute, look(661.0, busy=0, silent=True))
    assert [row.load.in_flight for row in rows] == [8]


def test_without_routers_nothing_is_kept() -> None:
    minute, rows = added(Minute(), Snapshot(600.0))
    assert (minute.looks, rows) == (0, [])
    assert added(minute, Snapshot(720.0))[1] == []
