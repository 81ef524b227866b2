"""Requests a second from the counters of routers, minute by minute."""

from __future__ import annotations

from distctl.cluster.record import Load
from distctl.cluster.spec import ServerId
from distctl.policy.pace import Pace, paces

A, B = ServerId("a", "0"), ServerId("b", "0")


def test_replicas_add_up_by_the_minute() -> None:
    loads = [
        *(Load(A, "digits", at, 2, 1, total) for at, total in ((0.0, 600), (60.0, 1200), (120.0, 1200))),
        *(Load(B, "digits", at, 1, 0, total) for at, total in ((60.0, 6000), (120.0, 6120))),
        Load(A, "other", 60.0, 0, 0, 5),
    ]
    found = paces(loads)
    assert found["digits"] == (Pace(0.0, 0.0, 2, 1), Pace(60.0, 10.0, 3, 1), Pace(120.0, 2.0, 3, 1))
    assert [pace.rate for pace in found["other"]] == [0.0]


def test_counters_that_began_anew_count_from_there() -> None:
    loads = [Load(A, "digits", 60.0 * n, 0, 0, total) for n, total in enumerate((9000, 120, 240))]
    assert [pace.rate for pace in paces(loads)["digits"]] == [0.0, 2.0, 2.0]
