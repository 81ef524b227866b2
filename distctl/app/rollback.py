"""Back to an earlier revision of the spec: the same way as `up`, with what the record remembers as the wish.

A revision holds the whole resolved spec, so the inventory as it is now has no part in it. Models' folders are
those that the revision names, with the files that lie in them today.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from distctl.app.documents import spec_from
from distctl.cluster.record import Revision
from distctl.errors import InputError

if TYPE_CHECKING:
    from distctl.app.session import Session


def revision_of(session: Session, number: int | None) -> Revision:
    """The revision of that number, or the one before the last. Raises InputError when there is none."""
    if number is None:
        newest = session.store.history(limit=2)
        if len(newest) < 2:  # noqa: PLR2004 - the last and the one before
            raise InputError("there is no revision before this one", hint="distctl history")
        return newest[0]
    found = session.store.revision(number)
    if found is None:
        raise InputError(f"there is no revision {number}", hint="distctl history")
    return found


def return_to(session: Session, revision: Revision) -> bool:
    """Make a revision's spec the session's own, before anything else was asked of it.

    True if the inventory's file says otherwise. Raises InputError for a model whose folder is gone.
    """
    differs = session.spec_document() != revision.document
    spec = spec_from(revision.document)
    for model in spec.models:
        if model.source.kind == "folder" and not Path(model.source.path).is_dir():
            raise InputError(
                f"revision {revision.number}: {model.name}: there is no folder {model.source.path} any more",
                hint=f"bring it back, or choose another revision: distctl history {revision.number}",
            )
    session.inventory = replace(session.inventory, spec=spec)
    return differs
