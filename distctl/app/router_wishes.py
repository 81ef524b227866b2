"""What an operator may say of routers beside the file: places drained or stopped, and their count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from distctl.app.change import Prepared, with_changes
from distctl.app.session import Session
from distctl.cluster.record import (
    AddEvent,
    Change,
    DropPin,
    DropRouter,
    Event,
    Intent,
    Pin,
    SetIntent,
    SetPin,
)
from distctl.cluster.spec import RouterId
from distctl.config.problems import did_you_mean
from distctl.errors import InputError, Refused
from distctl.policy.lives import bereft_routers, count_name


def parse_places(session: Session, names: Sequence[str]) -> list[RouterId]:
    """The routers that names mean, all without one: `main` on its places, `main@lb01`. Raises InputError."""
    ids = session.spec.router_ids
    known = [*(router.name for router in session.spec.routers), *map(str, ids)]
    for name in names:
        if name not in known:
            raise InputError(f"there is no router {name!r}", hint=did_you_mean(name, known))
    return [id for id in ids if not names or id.router in names or str(id) in names]


def places_of(session: Session, words: Sequence[str]) -> tuple[str, ...]:
    """The places that words of a command are about: `main`, `main@lb01`, `main=2`, `2`; all without one."""
    names = {word.partition("=")[0] for word in words if not word.isdecimal() and word != "auto"}
    ids = session.spec.router_ids
    return tuple(sorted({id.place for id in ids if not names or id.router in names or str(id) in names}))


def parse_counts(session: Session, words: Sequence[str]) -> dict[str, int | None]:
    """`N`, `NAME=N` and `auto` for N as a mapping; None is auto. Raises InputError."""
    routers = {router.name: router for router in session.spec.routers}
    wanted: dict[str, int | None] = {}
    for word in words:
        name, found, number = word.rpartition("=")
        if not found and len(routers) == 1:
            name = next(iter(routers))
        if not name or not (number == "auto" or number.isdecimal()):
            raise InputError(f"{word!r} is not NAME=N or NAME=auto", hint="distctl router scale main=2")
        if name not in routers:
            raise InputError(f"there is no router {name!r}", hint=did_you_mean(name, routers))
        most = len(routers[name].on)
        if number != "auto" and int(number) > most:
            where = ", ".join(routers[name].on)
            raise InputError(f"{name} has {most} places: {where}", hint="add one to `on:` in the inventory")
        wanted[name] = None if number == "auto" else int(number)
    return wanted


def count_changes(session: Session, wanted: dict[str, int | None], why: str) -> list[Change]:
    """The pins that a scale command of routers sets or ends."""
    changes: list[Change] = []
    now = session.clock.now()
    for name, number in wanted.items():
        if number is None:
            changes.append(DropPin(count_name(name)))
        else:
            over = len(session.spec.router(name).on)
            changes.append(SetPin(Pin(count_name(name), number, over, why, session.author, now)))
        text = f"router {name} to {'the file' if number is None else number}" + (f": {why}" if why else "")
        changes.append(AddEvent(Event(now, "scale", name, text, session.author)))
    return changes


def end_changes(session: Session, routers: Iterable[RouterId], *, stopped: bool, why: str) -> list[Change]:
    """The intents of routers that are to end, and the events that tell of them."""
    now, word = session.clock.now(), "router stop" if stopped else "router drain"
    changes: list[Change] = []
    for router in routers:
        intent = Intent(str(router), False, True, why, session.author, now, stopped)
        changes += [SetIntent(intent), AddEvent(Event(now, word, str(router), why or word, session.author))]
    return changes


def run_changes(session: Session, routers: Iterable[RouterId], word: str, why: str) -> list[Change]:
    """What ends the intents of routers that are to run again."""
    now, known = session.clock.now(), session.store.load().intents
    changes: list[Change] = []
    for router in routers:
        if str(router) in known:
            event = Event(now, word, str(router), why or word, session.author)
            changes += [SetIntent(Intent(str(router))), AddEvent(event)]
    return changes


def dead(prepared: Prepared, routers: Iterable[RouterId]) -> list[Change]:
    """What declares those of some routers dead that nobody reaches: they are asked nothing from then on."""
    sights = prepared.snapshot.routers
    return [DropRouter(router) for router in routers if router in sights and sights[router].error]


def refuse_routerless(
    session: Session, prepared: Prepared, changes: Sequence[Change], *, force: bool
) -> Prepared:
    """The plan after the changes, or Refused when a router would have no place left that runs."""
    after = with_changes(prepared, session, changes, prune=False)
    lost = bereft_routers(session.spec, prepared.record, after.record, prepared.snapshot)
    if lost and not force:
        raise Refused(
            f"router {', '.join(lost)} would run nowhere, and its clients would find nobody",
            hint="launch it on another place first, or do it all the same with --force",
        )
    return after
