"""What knows no generation is told nothing without a lease: Triton's API and HAProxy's socket.

A node refuses a run that was followed by another one. These two cannot, so whoever changes them asks first
whether the lease is still good for longer than a call may take. See docs/architecture.md for what remains.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from distctl.cluster.requests import Page, Wanted
from distctl.cluster.router import RouterSight, RouterView
from distctl.cluster.snapshot import ReplicaSight
from distctl.cluster.spec import LogSpec
from distctl.control.world import World
from distctl.ports import RouterControl, TritonClient

Guard = Callable[[], None]  # raises LeaseHeld when the lease is somebody else's


def guarded(world: World, guard: Guard) -> World:
    """The same world, in which `guard` is asked before each change of a Triton or a router."""
    return replace(
        world,
        triton=lambda server: GuardedTriton(world.triton(server), guard),
        router=lambda router: GuardedRouter(world.router(router), guard),
    )


@dataclass(frozen=True, slots=True)
class GuardedTriton:
    """Fulfils `ports.TritonClient`."""

    inner: TritonClient
    guard: Guard

    def live(self) -> bool:
        """See `ports.TritonClient`."""
        return self.inner.live()

    def index(self) -> dict[str, ReplicaSight]:
        """See `ports.TritonClient`."""
        return self.inner.index()

    def load(self, model: str) -> None:
        """See `ports.TritonClient`. Raises LeaseHeld."""
        self.guard()
        self.inner.load(model)

    def unload(self, model: str) -> None:
        """See `ports.TritonClient`. Raises LeaseHeld."""
        self.guard()
        self.inner.unload(model)


@dataclass(frozen=True, slots=True)
class GuardedRouter:
    """Fulfils `ports.RouterControl`."""

    inner: RouterControl
    guard: Guard

    def apply(self, view: RouterView, *, deadline: float) -> str:
        """See `ports.RouterControl`. Raises LeaseHeld."""
        self.guard()
        return self.inner.apply(view, deadline=deadline)

    def look(self) -> RouterSight:
        """See `ports.RouterControl`."""
        return self.inner.look()

    def glance(self) -> RouterSight:
        """See `ports.RouterControl`."""
        return self.inner.glance()

    def close(self) -> None:
        """See `ports.RouterControl`. Raises LeaseHeld."""
        self.guard()
        self.inner.close()

    def halt(self) -> None:
        """See `ports.RouterControl`. Raises LeaseHeld."""
        self.guard()
        self.inner.halt()

    def requests(self, log: LogSpec, wanted: Wanted, position: str, newest: int) -> Page:
        """See `ports.RouterControl`."""
        return self.inner.requests(log, wanted, position, newest)

    def stop(self, *, deadline: float) -> None:
        """See `ports.RouterControl`. Raises LeaseHeld."""
        self.guard()
        self.inner.stop(deadline=deadline)
