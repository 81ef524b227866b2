"""What is not as the record wants it asks for a pass once it lasted, and ever more rarely if none helps."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from rehearsal import ROUTER, model, node, spec

from distctl.cluster.record import Intent, Pin, Record, Replica, Revision
from distctl.cluster.router import RouterSight, SlotSight, SlotState
from distctl.cluster.snapshot import Instant, ModelState, ReplicaSight, ServerSight, Snapshot
from distctl.cluster.spec import ServerId
from distctl.policy.decision import Decision, Ended, Seen
from distctl.policy.upkeep import (
    CEILING,
    CLUSTER,
    DEEP,
    FIRST,
    GRACE,
    Upkeep,
    ended,
    troubles,
    upkeep,
    wishes,
)

A, B = ServerId("a", "0"), ServerId("b", "0")
SPEC = spec([node("a"), node("b")], [model("digits", 2)])
RECORD = Record(
    "r",
    revision=Revision(1, "{}", "ann@desk", 0.0),
    replicas=frozenset(Replica(server, "digits", "d", SlotState.READY) for server in (A, B)),
)
LIVE = {s: ServerSight(s, live=True, replicas={"digits": ReplicaSight(ModelState.READY)}) for s in (A, B)}
SLOT = SlotSight(SlotState.READY, healthy=True, in_flight=0, queued=0)
ROUTED = RouterSight(ROUTER, running=True, slots=(("digits", A, SLOT), ("digits", B, SLOT)))
WHOLE = Seen(SPEC, RECORD, Snapshot(1000.0, servers=LIVE, routers={ROUTER: ROUTED}))
COMPARED = Upkeep(wishes=wishes(RECORD), compared=1000.0)
DRAINED = SlotSight(SlotState.DRAIN, healthy=True, in_flight=0, queued=0)


def router(sight: RouterSight) -> Seen:
    return replace(WHOLE, snapshot=replace(WHOLE.snapshot, routers={ROUTER: sight}))


def at(seen: Seen, now: Instant) -> Seen:
    return replace(seen, snapshot=replace(seen.snapshot, at=now))


STRAY = router(replace(ROUTED, slots=(("digits", A, DRAINED),)))
TROUBLES = [
    (WHOLE, {}),
    (router(RouterSight(ROUTER, running=False)), {}),
    (router(RouterSight(ROUTER, running=False, error="no way there")), {}),
    (STRAY, {"router main@lb": "router main@lb: slot a/0 of digits is drain, not ready"}),
    (
        replace(WHOLE, record=replace(RECORD, pins={"digits": Pin("digits", 3, 2)})),
        {"model digits": "2 of 3 replicas of digits are placed"},
    ),
]


def test_a_slot_that_a_pass_under_way_announced_is_no_trouble() -> None:
    unplaced = replace(RECORD, replicas=frozenset(r for r in RECORD.replicas if r.server == B))
    announced = replace(STRAY, record=unplaced)
    assert "router main@lb" in troubles(announced)
    assert "router main@lb" not in troubles(replace(announced, busy=True))
    assert "router main@lb" in troubles(replace(STRAY, busy=True))


@pytest.mark.parametrize(("seen", "found"), TROUBLES)
def test_a_trouble_is_what_differs_from_the_record(seen: Seen, found: dict[str, str]) -> None:
    assert troubles(seen) == found


def test_one_bad_answer_moves_nothing() -> None:
    bad = STRAY
    memory, decisions = upkeep(COMPARED, bad, {})
    assert decisions == []
    memory, decisions = upkeep(memory, at(WHOLE, 1001.0), {})
    memory, decisions = upkeep(memory, at(bad, 1000.0 + GRACE), {})
    assert decisions == []
    memory, decisions = upkeep(memory, at(bad, 1000.0 + 2 * GRACE), {})
    assert [d.subject for d in decisions] == ["router main@lb"]


def test_a_trouble_that_no_pass_ends_is_tried_ever_more_rarely_up_to_a_ceiling() -> None:
    memory, tried = COMPARED, []
    for second in range(4000):
        seen = at(STRAY, 1000.0 + second)
        memory, found = upkeep(memory, seen, {})
        decisions = [decision for decision in found if decision.subject != CLUSTER]
        if decisions:
            tried.append(second)
            memory = ended(memory, RECORD, decisions, Ended(seen.now, failed=True))
    gaps = [b - a for a, b in pairwise(tried)]
    assert gaps[0] == FIRST
    assert gaps == sorted(gaps)
    assert max(gaps) == CEILING
    assert gaps.count(CEILING) > 3


def test_while_a_pass_is_under_way_or_somebody_has_the_lease_nothing_is_counted() -> None:
    memory, decisions = upkeep(
        Upkeep(since={"router main@lb": 0.0}, wishes=wishes(RECORD)), replace(STRAY, busy=True), {}
    )
    assert decisions == []
    memory, decisions = upkeep(memory, STRAY, {})
    assert ended(memory, RECORD, decisions, Ended(1000.0, busy=True)) == memory


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (replace(RECORD, revision=Revision(2, "{}", "bob@desk", 0.0)), "revision 2 by bob@desk"),
        (
            replace(RECORD, intents={"a": Intent("a", cordoned=True, draining=True, by="ann@desk")}),
            "a is draining by ann@desk",
        ),
        (
            replace(RECORD, pins={"digits": Pin("digits", 2, 2, by="ann@desk")}),
            "digits is pinned to 2 by ann@desk",
        ),
    ],
)
def test_what_an_operator_wishes_is_brought_about_once(record: Record, why: str) -> None:
    seen = replace(WHOLE, record=record)
    memory, decisions = upkeep(COMPARED, seen, {})
    assert decisions == [Decision(CLUSTER, why)]
    memory = ended(memory, record, decisions, Ended(seen.now))
    assert upkeep(memory, at(seen, 1500.0), {})[1] == []


def test_a_wish_whose_pass_failed_is_tried_again_later() -> None:
    memory, decisions = upkeep(Upkeep(), WHOLE, {})
    memory = ended(memory, RECORD, decisions, Ended(1000.0, failed=True))
    assert upkeep(memory, at(WHOLE, 1000.0 + FIRST / 2), {})[1] == []
    assert upkeep(memory, at(WHOLE, 1000.0 + FIRST), {})[1] == decisions


def test_a_need_that_rests_on_several_looks_waits_for_no_further_one() -> None:
    memory, decisions = upkeep(COMPARED, WHOLE, {"a/0": "a/0 is dead"})
    assert decisions == [Decision("a/0", "a/0 is dead")]
    memory = ended(memory, RECORD, decisions, Ended(1000.0, failed=True))
    assert upkeep(memory, at(WHOLE, 1001.0), {"a/0": "a/0 is dead"})[1] == []


def test_the_nodes_themselves_are_looked_at_every_ten_minutes() -> None:
    memory = ended(COMPARED, RECORD, [Decision(CLUSTER, "everything is compared once")], Ended(1000.0))
    assert upkeep(memory, at(WHOLE, 1000.0 + DEEP - 1), {})[1] == []
    (decision,) = upkeep(memory, at(WHOLE, 1000.0 + DEEP), {})[1]
    assert decision.reason == "no node itself was looked at for 10 minutes"
