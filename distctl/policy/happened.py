"""Which events somebody asks for. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from distctl.cluster.record import Event


@dataclass(frozen=True, slots=True)
class Asked:
    """The filters; one that is empty lets everything through.

    `node` means its servers and the routers on it too, `model` and `router` (a name, or a place as `main@lb`)
    what is told of them; several of these join. `kinds` are words such as health.
    """

    node: str = ""
    model: str = ""
    router: str = ""
    kinds: tuple[str, ...] = ()

    @property
    def narrows(self) -> bool:
        """Whether anything is filtered."""
        return self != Asked()

    def lets(self, event: Event) -> bool:
        """Whether an event is asked for."""
        if self.kinds and event.kind not in self.kinds:
            return False
        chosen = (
            (self.node, _of_node),
            (self.model, _of_model),
            (self.router, _of_router),
        )
        asked = [told(name, event.subject) for name, told in chosen if name]
        return any(asked) if asked else True


def newest(events: Iterable[Event], asked: Asked, number: int) -> list[Event]:
    """The last so many of those that are asked for."""
    return [event for event in events if asked.lets(event)][-number:]


def _of_node(name: str, subject: str) -> bool:
    return subject in (name, f"node {name}") or subject.startswith(f"{name}/") or subject.endswith(f"@{name}")


def _of_model(name: str, subject: str) -> bool:
    return subject in (name, f"model {name}")


def _of_router(name: str, subject: str) -> bool:
    bare = subject.removeprefix("router ")
    return name in (bare, bare.partition("@")[0])
