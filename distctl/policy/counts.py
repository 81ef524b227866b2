"""How many replicas a model gets: the file's number, unless an operator pinned another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from distctl.cluster.record import Pin
from distctl.cluster.spec import ModelSpec, Spec


@dataclass(frozen=True, slots=True)
class Count:
    """How many replicas are wanted, and why that many. `pin` is the one that decided, if one did."""

    number: int
    why: str
    pin: Pin | None = None
    ended: Pin | None = None  # a pin that the file's new number has ended


def count(model: ModelSpec, pin: Pin | None) -> Count:
    """The wanted count of one model.

    A pin wins over the file until the file's number changes from what it was when the pin was set.
    """
    if pin is None:
        return Count(model.replicas, "the file says so")
    if pin.over != model.replicas:
        return Count(model.replicas, f"the file changed from {pin.over}, which ends the pin", ended=pin)
    said = f', "{pin.why}"' if pin.why else ""
    return Count(pin.count, f"pinned by {pin.by}{said}; the file says {model.replicas}", pin=pin)


def counts(spec: Spec, pins: Mapping[str, Pin]) -> dict[str, Count]:
    """The wanted count of every model of the spec."""
    return {model.name: count(model, pins.get(model.name)) for model in spec.models}
