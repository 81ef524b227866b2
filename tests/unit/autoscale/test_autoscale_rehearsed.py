"""Counts that demand decided, through the real commands: what `up` and `scale` do with them."""

from __future__ import annotations

from dataclasses import replace

from rehearsal import Operator, model, node, spec

from distctl.cluster.record import SetSized, Sized, apply
from distctl.cluster.spec import Autoscale


def operator(least: int = 1) -> Operator:
    scaled = replace(model("digits", least), autoscale=Autoscale(least, 3))
    made = Operator(spec([node(name) for name in "abc"], [scaled]))
    made.up()
    return made


def decide(operator: Operator, count: int) -> None:
    """What a controller writes."""
    store = operator.cluster.store
    store.record = apply(store.record, SetSized(Sized("digits", count, count, "load for 1.4 replicas")))


def placed(operator: Operator) -> int:
    return len(operator.cluster.store.record.places)


def test_without_a_controller_a_range_is_its_smallest_count_and_stays_as_demand_left_it() -> None:
    ann = operator()
    assert placed(ann) == 1
    decide(ann, 2)
    ann.up()
    assert placed(ann) == 2 and ann.plan().empty and ann.promise.kept()
    assert placed(operator(least=0)) == 0


def test_a_pin_wins_over_demand_and_demand_goes_on_from_it() -> None:
    ann = operator()
    decide(ann, 2)
    ann.scale("digits=3")
    assert placed(ann) == 3
    ann.scale("digits=auto")
    assert placed(ann) == 3 and ann.plan().empty
    assert ann.cluster.store.record.sized["digits"].why == "it was pinned to 3 until now"
    decide(ann, 1)
    ann.up()
    assert placed(ann) == 1 and ann.promise.kept()


def test_a_record_that_was_lost_keeps_as_many_replicas_as_there_are() -> None:
    ann = operator()
    decide(ann, 3)
    ann.up()
    ann.lose_record()
    ann.up()
    assert placed(ann) == 3 and ann.promise.kept()
