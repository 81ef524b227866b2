"""What a router is to be, from spec and record: requests at once, keys, what the place is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rehearsal import ROUTER, model, node, spec

from distctl.cluster.record import Key, Pin, Record, SetPin, apply
from distctl.cluster.router import RouterView, Tls
from distctl.cluster.spec import Admission, Autoscale, Hold, ModelSpec, Schedule, Spec
from distctl.policy.view import Models, Place, router_view

RECORD = Record("r", keys={"ops": Key("ops", "b"), "ci": Key("ci", "a")})


def view(wanted: Spec, **how: object) -> RouterView:
    return router_view(wanted, RECORD, ROUTER, hosts={}, **how)


@pytest.mark.parametrize(
    ("said", "read", "expected"),
    [
        (None, {"m": 8}, None),
        (Admission(0, 5, 2.0), {"m": 8}, Admission(8, 5, 2.0)),
        (Admission(0, 5, 2.0), {}, Admission(1, 5, 2.0)),
        (Admission(3, 5, 2.0), {"m": 8}, Admission(3, 5, 2.0)),
    ],
)
def test_a_server_gets_what_is_said_else_what_its_configuration_can_use(
    said: Admission | None, read: dict[str, int], expected: Admission | None
) -> None:
    wanted: ModelSpec = replace(model("m"), admission=said)
    (pool,) = view(spec([node("a")], [wanted]), models=Models(concurrency=read)).pools
    assert pool.admission == expected


@pytest.mark.parametrize(("auth", "names"), [("none", None), ("keys", ["ci", "ops"])])
def test_only_a_router_that_asks_for_keys_is_given_them(auth: str, names: list[str] | None) -> None:
    wanted = spec([node("a")], [])
    wanted = replace(wanted, routers=(replace(wanted.router("main"), auth=auth),))
    keys = view(wanted).keys
    assert (keys if keys is None else [key.name for key in keys]) == names


def test_what_the_place_is_stands_in_the_view() -> None:
    tls = Tls("certificate", "key")
    found = view(spec([node("a")], []), place=Place(drops_root=True, tls=tls))
    assert found.drops_root and found.tls == tls


def test_ready_asks_for_the_models_that_are_wanted_unless_the_file_says_any() -> None:
    wanted = spec([node("a")], [model("digits"), model("xray"), model("idle", 0)])
    record = apply(Record("r"), SetPin(Pin("xray", 0, over=1)))
    assert router_view(wanted, record, ROUTER, hosts={}).needed == ("digits",)
    (router,) = wanted.routers
    anyway = replace(wanted, routers=(replace(router, ready="any"),))
    assert router_view(anyway, record, ROUTER, hosts={}).needed == ()


@pytest.mark.parametrize(
    ("scale", "pin", "held"),
    [
        (None, None, None),
        (Autoscale(1, 4), None, None),
        (Autoscale(0, 4, hold=Hold(5.0, 7)), None, Hold(5.0, 7)),
        (Autoscale(1, 4, schedules=(Schedule("0 0 * * *", min=0),)), None, Hold()),
        (Autoscale(0, 4), Pin("m", 0, over=0), None),
        (Autoscale(0, 4), Pin("m", 2, over=0), Hold()),
    ],
)
def test_requests_wait_for_a_model_that_may_sleep_and_not_for_one_that_is_pinned_to_nothing(
    scale: Autoscale | None, pin: Pin | None, held: Hold | None
) -> None:
    wanted = spec([node("a")], [replace(model("m", 0), autoscale=scale)])
    record = replace(RECORD, pins={"m": pin} if pin else {})
    (pool,) = router_view(wanted, record, ROUTER, hosts={}).pools
    assert pool.hold == held
