"""`simulate`: a demand that was written down, or a curve, against the settings of an inventory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rehearsal import Operator, Rehearsal, model, node, spec

from distctl.app.simulation import demand_of, simulated
from distctl.cluster.spec import Autoscale, Schedule
from distctl.errors import InputError

LINES = (Schedule("0 6 * * *", min=3), Schedule("0 7 * * *"))


def session() -> Rehearsal:
    scaled = replace(model("digits"), autoscale=Autoscale(1, 5, concurrency=10.0, schedules=LINES))
    return Operator(spec([node("a")], [scaled, model("fixed")])).session()


def test_a_trace_is_followed_with_reasons_and_priced(tmp_path: Path) -> None:
    file = tmp_path / "trace.csv"
    file.write_text("seconds,requests\n0,5\n600,38\n1200,5\n4800,5\n")
    found = simulated(session(), "digits", demand_of(file, "", None), start=60.0, step=10.0)
    (up, down) = found.changes[0], found.changes[-1]
    assert 600 <= up[0] <= 620 and up[1] > 1 and "load for" in up[2]
    assert down[1] == 1 and 1800 <= down[0] <= 2000
    assert found.summary["replica_hours"] + found.summary["saved"] == pytest.approx(5 * 4800 / 3600)


def test_days_bring_their_schedules() -> None:
    found = simulated(session(), "digits", demand_of(None, "5:5", 86_400.0), start=0.0, step=10.0)
    at, count, why = found.changes[0]
    assert (at / 3600, count) == (6.0, 3) and "0 6 * * *" in why


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0,5\nlater,3\n", "trace.csv:2: 'later,3' is no point"),
        ("", "no points in the order of time"),
        ("9,5\n3,5\n", "no points in the order of time"),
    ],
)
def test_a_trace_that_is_none_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "trace.csv"
    file.write_text(text)
    with pytest.raises(InputError, match="trace") as refused:
        demand_of(file, "", None)
    assert said in refused.value.message


@pytest.mark.parametrize(("name", "said"), [("fixed", "fixed number"), ("digit", "no model")])
def test_only_a_model_with_a_range_is_simulated(name: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        simulated(session(), name, demand_of(None, "0:1", 60.0), start=0.0, step=10.0)


def test_a_curve_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="is no curve"):
        demand_of(None, "5-9", None)
