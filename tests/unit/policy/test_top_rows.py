"""The rows of `top`: rates from counters, latency from Triton's own figures, an order and a filter."""

from __future__ import annotations

import pytest
from rehearsal import ROUTER, model, node, spec

from distctl.cluster.record import Intent, Load, Record, Replica
from distctl.cluster.router import RouterSight, SlotSight, SlotState
from distctl.cluster.snapshot import GpuUse, ModelState, ReplicaSight, ServerSight, Service, Snapshot, Use
from distctl.cluster.spec import ServerId
from distctl.policy.standing import standing
from distctl.policy.tops import ORDERS, Chosen, Memory, Row, begin, looked

A, B = ServerId("a", "0"), ServerId("b", "0")
SPEC = spec([node("a"), node("b")], [model("digits", 2), model("xray", 0)])
PLACES = frozenset(Replica(server, "digits", "1", SlotState.READY) for server in (A, B))
RECORD = Record("record", replicas=PLACES)
GIB = 1024**3


def seen(
    at: float, totals: tuple[int, int], *, count: int = 0, seconds: float = 0.0, **used: Use
) -> Snapshot:
    slots = tuple(
        ("digits", server, SlotSight(SlotState.READY, True, 2, 1, total=total))
        for server, total in zip((A, B), totals, strict=True)
    )
    ready = {"digits": ReplicaSight(ModelState.READY)}
    servers = {
        server: ServerSight(
            server,
            live=True,
            replicas=ready,
            service={"digits": Service(count, seconds, seconds)},
            use=used.get(server.node, Use()),
        )
        for server in (A, B)
    }
    return Snapshot(
        at, servers=servers, routers={ROUTER: RouterSight(ROUTER, True, slots=slots, held={"xray": 3})}
    )


def after(
    *looks: Snapshot, record: Record = RECORD, memory: Memory | None = None
) -> tuple[Memory, dict[str, Row]]:
    memory, rows = memory or Memory(), ()
    for look in looks:
        memory, rows = looked(memory, standing(SPEC, record, look), look)
    return memory, {row.name: row for row in rows}


def test_one_look_has_no_rates_and_the_second_one_has() -> None:
    assert after(seen(0, (100, 50)))[1]["digits"].rate == 0.0
    rows = after(seen(0, (100, 50)), seen(2, (120, 60)))[1]
    assert list(rows) == ["digits", "xray", "a", "b", "main@lb"]
    assert [rows[name].rate for name in ("digits", "xray", "a", "b", "main@lb")] == [15, 0, 10, 5, 15]
    digits = rows["digits"]
    assert (digits.state, digits.size, digits.in_flight, digits.queued) == ("ready", "2/2", 4, 2)
    assert (rows["xray"].state, rows["xray"].queued) == ("off", 3), "what is held waits too"
    assert (rows["main@lb"].size, rows["a"].queued) == ("3 held", 1)


def test_rates_are_of_the_last_seconds() -> None:
    looks = [seen(at, (at * 10 if at < 10 else 90, 0)) for at in range(20)]
    assert after(*looks[:10])[1]["digits"].rate == 10
    assert after(*looks)[1]["digits"].rate == 0


def test_a_router_whose_counters_began_anew_adds_nothing() -> None:
    assert after(seen(0, (100, 50)), seen(1, (3, 60)))[1]["digits"].rate == 10


def test_latency_is_the_mean_of_what_was_answered_meanwhile() -> None:
    rows = after(seen(0, (0, 0), count=100, seconds=50.0), seen(1, (0, 0), count=110, seconds=50.1))[1]
    assert rows["digits"].seconds == pytest.approx(0.02)
    assert rows["a"].seconds == pytest.approx(0.02)
    assert after(seen(0, (0, 0), count=9), seen(1, (0, 0), count=9))[1]["digits"].seconds is None
    assert after(seen(0, (0, 0), count=9), seen(1, (0, 0), count=1))[1]["digits"].seconds is None, (
        "it restarted"
    )


def test_points_are_drawn_every_few_seconds_after_older_minutes() -> None:
    loads = [Load(A, "digits", 60.0 * minute, 0, 0, 600 * minute) for minute in range(3)]
    memory = begin(loads)
    assert memory.points["digits"] == (10.0,) * 24
    memory, rows = after(*(seen(200.0 + at, (at * 7, 0)) for at in range(12)), memory=memory)
    assert rows["digits"].rates == (*(10.0,) * 24, 7.0, 7.0, 7.0)


def test_a_node_shows_its_gpus_else_its_processors_and_its_intent() -> None:
    gpus = Use(gpus={"GPU-1": GpuUse(0.9, 30 * GIB, 40 * GIB), "GPU-2": GpuUse(0.5, 10 * GIB, 40 * GIB)})
    record = Record("record", replicas=PLACES, intents={"b": Intent("b", draining=True, by="ann")})
    rows = after(seen(0, (0, 0), a=gpus, b=Use(cpu=0.25)), record=record)[1]
    assert (rows["a"].size, rows["b"].size) == ("70% 40/80G", "cpu 25%")
    assert (rows["a"].state, rows["b"].state) == ("ready", "draining")


ROWS = [
    Row("model", "m1", "ready", "2/2", 5.0, 1, 9, 0.2),
    Row("model", "m2", "short (1 of 2)", "1/2", 50.0, 7, 0, None),
    Row("node", "n1", "ready", "-", 7.0, 3, 2, 0.9),
]


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("file", ["m1", "m2", "n1"]),
        ("state", ["m2", "m1", "n1"]),
        ("rate", ["m2", "n1", "m1"]),
        ("in flight", ["m2", "n1", "m1"]),
        ("queued", ["m1", "n1", "m2"]),
        ("latency", ["n1", "m1", "m2"]),
        ("name", ["m1", "m2", "n1"]),
    ],
)
def test_each_order(order: str, names: list[str]) -> None:
    assert [row.name for row in Chosen(order).of(ROWS)] == names


def test_orders_come_one_after_the_other_and_a_filter_looks_at_names_and_states() -> None:
    chosen, seen_orders = Chosen(), []
    for _ in ORDERS:
        seen_orders.append(chosen.order)
        chosen = chosen.next()
    assert (seen_orders, chosen) == (list(ORDERS), Chosen())
    assert [row.name for row in Chosen(filter="SHORT").of(ROWS)] == ["m2"]
    assert [row.name for row in Chosen(filter="1").of(ROWS)] == ["m1", "m2", "n1"]
    assert [row.name for row in Chosen("name", backwards=True).of(ROWS)] == ["n1", "m2", "m1"]
