"""Whether a server that runs is to be killed, or helped up: its health and what its own node says decide."""

from __future__ import annotations

from distctl.cluster.record import Health
from distctl.cluster.snapshot import Instant, ServerSight, Silence
from distctl.policy.health import remembered
from distctl.policy.symptoms import Kind

PATIENCE = 15.0  # seconds for what is in flight at a replica that fails, before it is cut
MUTE = frozenset({Kind.HUNG, Kind.UNREACHABLE, Kind.GONE, Kind.CRASH_LOOP})


def stuck(health: Health | None, seen: ServerSight | None, *, patience: float, now: Instant) -> str:
    """Why it is to be killed, "" when it is not. `patience` is how many seconds it may take to listen.

    Looks that agree came before (its health), and it was asked on its own node: a way that is broken, or a
    machine that is slow once, kills nothing.
    """
    if health is None or seen is None:
        return ""
    kind, lasted = remembered(health).kind, now - health.since
    if seen.inside is Silence.MUTE and kind in MUTE:
        return f"it is {health.state} for {lasted:.0f} s, and its own node gets no answer either"
    late = kind not in (Kind.READY, Kind.UNKNOWN) and lasted > patience
    if seen.inside is Silence.REFUSED and late:
        return f"it has been {health.state} for {lasted:.0f} s, and its process still does not listen"
    return ""


def fails(health: Health | None, seen: ServerSight | None, kind: Kind, model: str = "") -> str:
    """Why a server that answers is to be helped as one of this kind, at a model or any, "" when it is not."""
    if health is None or seen is None or not seen.live:
        return ""
    symptom = remembered(health).symptom
    if symptom.kind is not kind or (model and model not in symptom.models):
        return ""
    return f"it is {health.state}: {health.reason}"
