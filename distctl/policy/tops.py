"""What `top` shows: a row for each model, node and router, sorted and filtered. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from distctl.cluster.record import Load
from distctl.cluster.snapshot import Instant, Snapshot, Use
from distctl.policy.lately import Lately, Went
from distctl.policy.loads import SPAN
from distctl.policy.pace import paces
from distctl.policy.standing import ModelStanding, NodeStanding, RouterStanding, Standing
from distctl.policy.trend import POINTS, STEP

GIB = 1024**3
WELL = ("ready", "running", "asleep", "off", "turning off", "routers only")


@dataclass(frozen=True, slots=True)
class Row:
    """One thing. `size` is what there is of it, in words: replicas, or how far its GPUs are used.

    `seconds` is the mean latency of a request, None where none was answered; `rates` are requests a second
    of the last minutes, the oldest first.
    """

    kind: str  # model, node or router
    name: str
    state: str
    size: str
    rate: float
    in_flight: int
    queued: int
    seconds: float | None = None
    rates: tuple[float, ...] = ()

    @property
    def well(self) -> bool:
        """Whether nobody has to look at it."""
        return self.state in WELL


@dataclass(frozen=True, slots=True)
class Memory:
    """What is kept from one look to the next: the last seconds, and each model's points, `drawn` when."""

    lately: Lately = field(default_factory=Lately)
    drawn: Instant = 0.0
    points: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


def begin(loads: Iterable[Load]) -> Memory:
    """With the minutes that the record keeps, each drawn as so many points."""
    often = round(SPAN / STEP)
    older = {m: [p.rate for p in found[1:] for _ in range(often)] for m, found in paces(loads).items()}
    return Memory(points={model: tuple(rates[-POINTS:]) for model, rates in older.items()})


def looked(before: Memory, stands: Standing, now: Snapshot) -> tuple[Memory, tuple[Row, ...]]:
    """The memory after one more look, and the rows: models, nodes, routers, as the file has them."""
    lately = before.lately.seen(now)
    found = lately.went()
    went = found or Went()
    points, drawn = before.points, before.drawn
    if found is not None and not 0 <= now.at - drawn < STEP:
        rates = {m.name: went.rates.get(m.name, 0.0) for m in stands.models}
        points = {name: (*points.get(name, ()), rate)[-POINTS:] for name, rate in rates.items()}
        drawn = now.at
    models = [_model(m, went, now, points.get(m.name, ())) for m in stands.models]
    queued = Counter[str]()
    for _, server, slot in (slot for sight in now.routers.values() for slot in sight.slots):
        queued[server.node] += slot.queued
    nodes = [_node(n, went, now, queued[n.node.name]) for n in stands.nodes if n.servers]
    routers = [_router(r, went, now) for r in stands.routers]
    return Memory(lately, drawn, points), (*models, *nodes, *routers)


def _model(m: ModelStanding, went: Went, now: Snapshot, points: tuple[float, ...]) -> Row:
    held = sum(sight.held.get(m.name, 0) for sight in now.routers.values())
    size = f"{m.serving}/{m.wanted}"
    rate, seconds = went.rates.get(m.name, 0.0), went.times.get(m.name)
    return Row("model", m.name, m.state, size, rate, m.in_flight, m.queued + held, seconds, points)


def _node(n: NodeStanding, went: Went, now: Snapshot, queued: int) -> Row:
    name, ids = n.node.name, [server.server.id for server in n.servers]
    uses = [now.servers[id].use for id in ids if id in now.servers]
    rate, seconds = went.node_rates.get(name, 0.0), went.node_times.get(name)
    return Row("node", name, _said(n), _used(uses), rate, n.in_flight, queued, seconds)


def _said(n: NodeStanding) -> str:
    if n.intent and n.intent.draining:
        return "drained" if n.released else "draining"
    return "cordoned" if n.intent and n.intent.cordoned and n.state == "ready" else n.state


def _used(uses: Sequence[Use]) -> str:
    """How busy a node's GPUs are, and their memory; its processors where it has none."""
    gpus = {uuid: gpu for use in uses for uuid, gpu in use.gpus.items()}
    if gpus:
        busy = sum(gpu.busy for gpu in gpus.values()) / len(gpus)
        used, total = sum(g.used for g in gpus.values()), sum(g.total for g in gpus.values())
        return f"{busy:.0%} {used / GIB:.0f}/{total / GIB:.0f}G"
    cpu = next((use.cpu for use in uses if use.cpu is not None), None)
    return f"cpu {cpu:.0%}" if cpu is not None else "-"


def _router(r: RouterStanding, went: Went, now: Snapshot) -> Row:
    sight = now.routers.get(r.id)
    held = sum(sight.held.values()) if sight else 0
    queued = sum(slot.queued for _, _, slot in sight.slots) if sight else 0
    return Row("router", str(r.id), r.state, f"{held} held", went.rates.get(r.id, 0.0), r.in_flight, queued)


# --- which of them, and in which order --------------------------------------------------------------

ORDERS: Mapping[str, Callable[[Row], Any]] = {
    "file": lambda row: 0,
    "state": lambda row: row.well,
    "rate": lambda row: -row.rate,
    "in flight": lambda row: -row.in_flight,
    "queued": lambda row: -row.queued,
    "latency": lambda row: -(row.seconds or 0.0),
    "name": lambda row: row.name,
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which rows are shown, and how: an order of ORDERS, backwards or not, and a part of name or state."""

    order: str = "file"
    backwards: bool = False
    filter: str = ""

    def next(self) -> Chosen:
        """With the next order."""
        orders = list(ORDERS)
        return replace(self, order=orders[(orders.index(self.order) + 1) % len(orders)])

    def of(self, rows: Iterable[Row]) -> list[Row]:
        """The rows, sorted within each kind; equals stay as the file has them."""
        part = self.filter.lower()
        found = [row for row in rows if part in row.name.lower() or part in row.state.lower()]
        return sorted(found, key=ORDERS[self.order], reverse=self.backwards)
