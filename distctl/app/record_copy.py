"""The record that lies in a file goes where the inventory says now."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from distctl.cluster.lease import said
from distctl.errors import InputError, Refused, StoreError

if TYPE_CHECKING:
    from distctl.adapters.store import SqlStore
    from distctl.app.session import Session
    from distctl.ports import Clock

LEASE = 300.0  # seconds; a record is copied in a few
OPEN_SECONDS = 5.0  # how long another process may still read the old file


def copy_record(session: Session, file: Path | None) -> Path:
    """Copy the record in `file`, by default the one beside the inventory, to where the inventory says.

    The file is renamed then, so that nobody works with it any more; what comes back is its new path. Raises
    InputError, Refused (there is a record already, or a controller leads by the old one), LeaseHeld,
    StoreError: nothing is changed then.
    """
    from distctl.adapters.store import SqlStore
    from distctl.app.compose import beside

    file = (file or beside(session.inventory)).absolute()
    if not file.is_file():
        raise InputError(f"{file}: there is no record", hint="name another with --from FILE")
    if session.inventory.store.url == f"sqlite:///{file}":
        raise InputError(
            f"{file}: the inventory keeps the record there already",
            hint="write the new place into `store:` first",
        )
    old = SqlStore(f"sqlite:///{file}", clock=session.clock, cluster=session.spec.cluster)
    try:
        _refuse_led(old)
        lease = old.acquire(session.owner, "copying the record", seconds=LEASE)
        try:
            session.store.become(old)
        except BaseException:
            old.release(lease)
            raise
    finally:
        old.close()
    return _set_aside(file, session.clock)  # with its lease held: nobody has written to it since


def _refuse_led(old: SqlStore) -> None:
    leader = old.leader()
    if leader is not None:
        raise Refused(
            f"a controller leads by the old record: {said(leader.owner)}",
            hint="stop it with `distctl controller stop`, then start it again afterwards",
        )


def _set_aside(file: Path, clock: Clock) -> Path:
    """Rename it once nobody has it open: the log beside it, which goes then, cannot be renamed with it."""
    log = file.with_name(f"{file.name}-wal")
    deadline = clock.now() + OPEN_SECONDS
    while log.exists():
        if clock.now() >= deadline:
            raise StoreError(
                f"{file}: the record was copied, but another process has this file open",
                hint=f"see `fuser {file}` for which; then move the file away, since it is used no more",
            )
        clock.sleep(0.1)
    day = datetime.fromtimestamp(clock.now(), timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    return file.rename(file.with_name(f"{file.name}.moved-{day}"))
