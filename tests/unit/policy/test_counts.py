"""The file's number counts unless an operator pinned another one over it."""

from dataclasses import replace

import pytest
from rehearsal import model, spec

from distctl.cluster.record import Pin, Sized
from distctl.cluster.spec import Autoscale, Schedule
from distctl.policy.counts import count, counts

PIN = Pin("digits", 5, over=2, why="a fair", by="ada@desk")


@pytest.mark.parametrize(
    ("in_file", "pin", "number", "why"),
    [
        (2, None, 2, "the file says so"),
        (0, None, 0, "the file says so"),
        (2, PIN, 5, 'pinned by ada@desk, "a fair"; the file says 2'),
        (3, PIN, 3, "the file changed from 2, which ends the pin"),
        (2, Pin("digits", 0, over=2, by="ada@desk"), 0, "pinned by ada@desk; the file says 2"),
    ],
)
def test_a_pin_wins_until_the_file_changes(in_file: int, pin: Pin | None, number: int, why: str) -> None:
    found = count(model("digits", in_file), pin)
    assert (found.number, found.why) == (number, why)
    assert found.ended == (pin if "ends" in why else None)
    assert found.pin == (pin if "pinned" in why else None)


def test_every_model_has_a_count_and_a_pin_for_another_one_is_not_looked_at() -> None:
    wanted = spec([], [model("digits", 2), model("xray", 1)])
    found = counts(wanted, {"digits": PIN, "gone": PIN})
    assert {name: c.number for name, c in found.items()} == {"digits": 5, "xray": 1}


RANGE = Autoscale(1, 6, schedules=(Schedule("0 8 * * *", min=2, max=9), Schedule("0 9 * * *")))


@pytest.mark.parametrize(
    ("sized", "pin", "number", "why"),
    [
        (None, None, 1, "the file says 1 to 6; no demand was measured yet"),
        (Sized("digits", 4, 4, "load for 3.2 replicas"), None, 4, "load for 3.2 replicas"),
        (Sized("digits", 9, 9, "load"), None, 9, "load"),
        (Sized("digits", 12, 12, "load"), None, 9, "the file says 1 to 6 now, it was 12"),
        (Sized("digits", 0, 0, "idle"), None, 1, "the file says 1 to 6 now, it was 0"),
        (
            Sized("digits", 4, 4, "load"),
            Pin("digits", 8, 1, by="a"),
            8,
            "pinned by a; the file says 1 to 6",
        ),
        (
            Sized("digits", 4, 4, "load"),
            Pin("digits", 8, 2),
            4,
            "the file changed from 2, which ends the pin",
        ),
    ],
)
def test_demand_decides_within_what_the_file_allows_at_any_time(
    sized: Sized | None, pin: Pin | None, number: int, why: str
) -> None:
    found = count(replace(model("digits", 1), autoscale=RANGE), pin, sized)
    assert (found.number, found.why) == (number, why)
