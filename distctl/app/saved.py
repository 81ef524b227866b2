"""A plan in a file: carried out exactly as it was shown, or refused because something moved."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from distctl.errors import InputError, PlanMoved

if TYPE_CHECKING:
    from distctl.app.change import Prepared
    from distctl.app.session import Session
    from distctl.policy.plan import Plan

FORMAT = 1


def fingerprint(plan: Plan) -> str:
    """A digest of every step and its order: equal for two plans that do the same."""
    return hashlib.sha256(repr((plan.steps, plan.skipped)).encode()).hexdigest()


def save_plan(path: Path, session: Session, prepared: Prepared) -> None:
    """Write what identifies a plan, with its steps in words for a reader."""
    document = {
        "format": FORMAT,
        "cluster": session.spec.cluster,
        "spec": hashlib.sha256(session.spec_document().encode()).hexdigest(),
        "fingerprint": fingerprint(prepared.plan),
        "prune": prepared.wish.prune,
        "steps": [step.operation.text for step in prepared.plan.steps],
    }
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    beside.replace(path)


def load_plan(path: Path) -> dict[str, object]:
    """A saved plan's document. Raises InputError."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a saved plan: {error}", hint=f"distctl plan --save {path}") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InputError(f"{path}: not a plan of this version", hint=f"distctl plan --save {path}")
    return document


def require_same(path: Path, session: Session, prepared: Prepared) -> None:
    """Raise PlanMoved unless the plan of this moment is the saved one."""
    document = load_plan(path)
    spec = hashlib.sha256(session.spec_document().encode()).hexdigest()
    if document.get("cluster") != session.spec.cluster:
        raise PlanMoved(f"{path} is a plan for the cluster {document.get('cluster')!r}")
    if document.get("spec") != spec:
        raise PlanMoved(f"the inventory changed since {path} was saved", hint=f"distctl plan --save {path}")
    if document.get("fingerprint") != fingerprint(prepared.plan):
        raise PlanMoved(f"the cluster changed since {path} was saved", hint=f"distctl plan --save {path}")
