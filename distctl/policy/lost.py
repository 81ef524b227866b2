"""What an operator is told of requests that took two servers with them. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from distctl.cluster.record import Event
from distctl.cluster.router import Lost, RouterSight

KIND = "lost"


def all_lost(routers: Iterable[RouterSight]) -> tuple[Lost, ...]:
    """What every router lost so, oldest first."""
    return tuple(sorted({one for router in routers for one in router.lost}, key=lambda one: one.at))


def sentence(lost: Lost) -> str:
    """Model, request and servers of one, and what to do."""
    name = f"request {lost.request}" if lost.request else "a request without x-request-id"
    servers = " and ".join(map(str, lost.servers))
    return (
        f"{name} to {lost.model} from {lost.client} was lost with every server that took it, around when "
        f"{servers} went down; it was sent to two at most: look into it before it is sent again"
    )


def new_events(lost: Iterable[Lost], known: Iterable[Event]) -> list[Event]:
    """An event for each that has none yet."""
    told = {(event.at, event.text) for event in known if event.kind == KIND}
    events = (Event(one.at, KIND, one.model, sentence(one)) for one in lost)
    return [event for event in events if (event.at, event.text) not in told]
