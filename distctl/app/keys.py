"""API keys: made, listed and ended. The record keeps digests and terms; every router of the file is told."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Sequence

from distctl.app.claiming import claimed
from distctl.app.leasing import Keeper
from distctl.app.session import Session
from distctl.cluster.record import AddEvent, Change, DropKey, Event, Key, Record, SetKey
from distctl.cluster.snapshot import Snapshot
from distctl.cluster.spec import RouterId
from distctl.errors import DistctlError, InputError, PartialFailure

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,62}")
BYTES = 32  # of randomness in a key


def new_key(
    session: Session, name: str, *, rate: int, concurrency: int, models: Sequence[str]
) -> tuple[str, Key]:
    """A key to be shown once, and what is kept of it. Raises InputError for an impossible name or model."""
    if not NAME.fullmatch(name):
        raise InputError(
            f"{name!r} cannot be the name of a key", hint="letters, digits, _ . @ and -, at most 63"
        )
    if name in session.store.load().keys:
        raise InputError(f"there is a key {name!r} already", hint=f"distctl key rm {name}, or another name")
    known = [model.name for model in session.spec.models]
    if unknown := [model for model in models if model not in known]:
        raise InputError(f"there is no model {unknown[0]!r}", hint=f"the inventory has {', '.join(known)}")
    secret = f"dk_{secrets.token_urlsafe(BYTES)}"
    digest = hashlib.sha256(secret.encode()).hexdigest()
    terms = Key(name, digest, rate, concurrency, tuple(models), session.author, session.clock.now())
    return secret, terms


def keep(session: Session, keeper: Keeper, key: Key) -> None:
    """Write a key's terms to the record."""
    models = ", ".join(key.models) or "all"
    terms = f"rate {key.rate or '-'}, concurrency {key.concurrency or '-'}, models {models}"
    _write(session, keeper, SetKey(key), key.name, terms)


def forget(session: Session, keeper: Keeper, name: str) -> None:
    """Take a key out of the record. Raises InputError when there is none."""
    known = session.store.load().keys
    if name not in known:
        raise InputError(f"there is no key {name!r}", hint=f"there are {', '.join(sorted(known)) or 'none'}")
    _write(session, keeper, DropKey(name), name, "ended")


def _write(session: Session, keeper: Keeper, change: Change, name: str, text: str) -> None:
    event = AddEvent(Event(session.clock.now(), "key", name, text, session.author))
    session.store.commit(keeper.lease.token, [change, event])


def asking(session: Session) -> list[str]:
    """The routers of the file that ask for keys."""
    return [router.name for router in session.spec.routers if router.auth == "keys"]


def tell(session: Session, keeper: Keeper) -> None:
    """Bring every router that asks for keys to the record. Raises PartialFailure when one could not be."""
    record = session.store.load()
    session.remember(record)
    routers = _told(session, record)
    if not routers:
        return
    with claimed(session, keeper, record, {router.place for router in routers}):
        late = [(router, why) for router in routers if (why := _bring(session, keeper, router))]
    if late:
        told = "; ".join(f"{router}: {why}" for router, why in late)
        raise PartialFailure(f"the record is changed, and not every router is: {told}", hint="distctl up")


def _told(session: Session, record: Record) -> list[RouterId]:
    """The routers that run and ask for keys."""
    names = asking(session)
    return [
        router for router in session.spec.router_ids if router in record.routers and router.router in names
    ]


def _bring(session: Session, keeper: Keeper, router: RouterId) -> str:
    """Bring a router to the record; why it could not be, "" when it was."""
    try:
        seen = Snapshot(session.clock.now())
        session.routers.routing(keeper.lease.token, (router,), session.store.load(), seen).bring(router)
    except DistctlError as error:
        return error.message
    return ""


def listed(keys: Iterable[Key]) -> list[dict[str, object]]:
    """Keys as they are shown: without their digests."""
    return [
        {
            "name": key.name,
            "rate": key.rate or None,
            "concurrency": key.concurrency or None,
            "models": list(key.models) or None,
            "by": key.by,
            "since": key.since,
        }
        for key in sorted(keys)
    ]
