"""`doctor`: looks at each node and puts the verdicts on its facts into one list."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from distctl.app.session import Session
from distctl.errors import DistctlError, Unreachable


@dataclass(frozen=True, slots=True)
class Finding:
    """One verdict on one node. `level` is ok, warn or fail."""

    node: str
    level: str
    what: str
    remedy: str
    unreachable: bool = False


def examine(session: Session, names: Sequence[str]) -> list[Finding]:
    """Look at nodes side by side; findings in the inventory's order. Changes nothing."""
    with ThreadPoolExecutor(16, thread_name_prefix="doctor") as pool:
        return [finding for found in pool.map(lambda name: _node(session, name), names) for finding in found]


def _node(session: Session, name: str) -> list[Finding]:
    from distctl.facts.doctor import verdicts

    node = session.node(name)
    if node.external:
        return [Finding(name, "ok", "external: runs without us", "")]
    try:
        session.connector(name).run("true", tried="connecting", deadline=node.timeouts.connect)
    except Unreachable as error:
        return [Finding(name, "fail", error.message, error.hint, unreachable=True)]
    except DistctlError as error:
        return [Finding(name, "fail", error.message, error.hint)]
    sight = session.world.node(name).look()
    if not sight.reachable:
        return [Finding(name, "fail", sight.error, "distctl exec " + name + " -- true", unreachable=True)]
    return [
        Finding(name, verdict.level, verdict.what, verdict.remedy) for verdict in verdicts(node, sight.facts)
    ]
