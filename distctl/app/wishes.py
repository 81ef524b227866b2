"""What an operator may say beside the file: counts that are pinned, nodes that are cordoned or drained.

Each is written to the record as intent first, and then the way is the same as that of `up`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from distctl.app.change import Prepared, with_changes
from distctl.app.session import Session
from distctl.cluster.record import (
    EVERYWHERE,
    AddEvent,
    Change,
    DropPin,
    Event,
    Intent,
    Pin,
    SetIntent,
    SetPin,
    SetSized,
    Sized,
)
from distctl.config.problems import did_you_mean
from distctl.errors import InputError, Refused
from distctl.policy.guard import bereft
from distctl.policy.wish import room


def parse_scale(session: Session, words: Sequence[str]) -> dict[str, int | None]:
    """`MODEL=N` and `MODEL=auto` as a mapping; None is auto. Raises InputError."""
    known = [model.name for model in session.spec.models]
    wanted: dict[str, int | None] = {}
    for word in words:
        name, found, number = word.partition("=")
        if not found or not (number == "auto" or number.isdecimal()):
            raise InputError(f"{word!r} is not MODEL=N or MODEL=auto", hint="distctl scale digits=3")
        if name not in known:
            raise InputError(f"there is no model {name!r}", hint=did_you_mean(name, known))
        wanted[name] = None if number == "auto" else int(number)
    return wanted


def scale_changes(session: Session, wanted: dict[str, int | None], why: str) -> list[Change]:
    """The pins that a scale command sets or ends."""
    changes: list[Change] = []
    for name, number in wanted.items():
        if number is None:
            changes += [DropPin(name), *_kept(session, name)]
        else:
            over = session.spec.model(name).replicas
            changes.append(SetPin(Pin(name, number, over, why, session.author, session.clock.now())))
        text = f"{name} to {'the file' if number is None else number}" + (f": {why}" if why else "")
        changes.append(AddEvent(Event(session.clock.now(), "scale", name, text, session.author)))
    return changes


def _kept(session: Session, name: str) -> list[Change]:
    """Where demand decides, it goes on from the count that was pinned."""
    pin, now = session.store.load().pins.get(name), session.clock.now()
    if pin is None or session.spec.model(name).autoscale is None:
        return []
    return [SetSized(Sized(name, pin.count, pin.count, f"it was pinned to {pin.count} until now", now))]


def refuse_shortage(prepared: Prepared, models: Iterable[str]) -> None:
    """Raise Refused for a model that cannot get the count that was just asked for, with every node on."""
    asked = set(models)
    for shortage in room(prepared.wish.spec, prepared.record, prepared.snapshot).shortages:
        if shortage.model in asked:
            raise Refused(
                f"{shortage.model}: only {shortage.placed} of {shortage.wanted} replicas can be placed"
                f" ({shortage.why})",
                hint="add a node to the inventory, undrain one, or ask for fewer replicas",
            )


def intent_changes(
    session: Session, nodes: Iterable[str], *, cordoned: bool, draining: bool, why: str, stopped: bool = False
) -> list[Change]:
    """The intents of nodes, and the events that tell of them."""
    word = "drain" if draining else "cordon" if cordoned else "undrain"
    changes: list[Change] = []
    for name in nodes:
        now = session.clock.now()
        changes.append(SetIntent(Intent(name, cordoned, draining, why, session.author, now, stopped)))
        changes.append(AddEvent(Event(now, word, name, why or word, session.author)))
    return changes


def down_changes(session: Session) -> list[Change]:
    """The intent of a cluster that is taken down: no controller brings it back."""
    intent = Intent(EVERYWHERE, draining=True, stopped=True, by=session.author, since=session.clock.now())
    return [SetIntent(intent)]


def refuse_bereft(
    session: Session, prepared: Prepared, changes: Sequence[Change], *, force: bool
) -> Prepared:
    """The plan after the changes, or Refused when it takes a model's last ready replica."""
    after = with_changes(prepared, session, changes, prune=False)
    lost = bereft(after.wish, prepared.record, prepared.snapshot)
    if lost and not force:
        raise Refused(
            f"{', '.join(lost)} would have no ready replica, and no other node can take one",
            hint="add or undrain a node that fits, or do it all the same with --force",
        )
    return after
