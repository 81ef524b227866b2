"""How many replicas a model gets: as the file says or demand decided, unless an operator pinned it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from distctl.cluster.record import Pin, Sized
from distctl.cluster.snapshot import Instant
from distctl.cluster.spec import ModelSpec, Spec

NOTHING: Mapping[str, Sized] = {}


@dataclass(frozen=True, slots=True)
class Count:
    """How many replicas are wanted, and why that many. `pin` is the one that decided, if one did."""

    number: int
    why: str
    pin: Pin | None = None
    ended: Pin | None = None  # a pin that the file's new number has ended
    since: Instant | None = None  # when demand decided it


def said(model: ModelSpec) -> str:
    """What the file says: a number, or a range as `0 to 6`."""
    scale = model.autoscale
    return str(model.replicas) if scale is None else f"{scale.min} to {scale.max}"


def count(model: ModelSpec, pin: Pin | None, sized: Sized | None = None) -> Count:
    """The wanted count of one model; `sized` is the one that demand decided last.

    A pin wins over the file until the file's number, the smallest of a range, changes from what it was when
    the pin was set.
    """
    usual = _unpinned(model, sized)
    if pin is None:
        return usual
    if pin.over != model.replicas:
        return Count(usual.number, f"the file changed from {pin.over}, which ends the pin", ended=pin)
    words = f', "{pin.why}"' if pin.why else ""
    return Count(pin.count, f"pinned by {pin.by}{words}; the file says {said(model)}", pin=pin)


def _unpinned(model: ModelSpec, sized: Sized | None) -> Count:
    scale = model.autoscale
    if scale is None:
        return Count(model.replicas, "the file says so")
    if sized is None:
        return Count(scale.min, f"the file says {said(model)}; no demand was measured yet")
    number = min(max(sized.count, model.least), model.most)
    why = sized.why if number == sized.count else f"the file says {said(model)} now, it was {sized.count}"
    return Count(number, why, since=sized.since)


def counts(spec: Spec, pins: Mapping[str, Pin], sized: Mapping[str, Sized] = NOTHING) -> dict[str, Count]:
    """The wanted count of every model of the spec."""
    return {model.name: count(model, pins.get(model.name), sized.get(model.name)) for model in spec.models}
