"""A router brought to its end without a lost request, step by step as policy says."""

from __future__ import annotations

from collections.abc import Callable

from distctl.cluster.spec import RouterId
from distctl.control.world import World
from distctl.errors import DrainExpired
from distctl.policy.router_drain import RouterDrain, RouterStep, next_router_step, seen

POLL = 0.25  # seconds between two looks


def end_router(
    world: World,
    router: RouterId,
    *,
    lame_duck: float,
    seconds: float,
    force: bool,
    report: Callable[[str], None],
) -> None:
    """Let a router whose health path says that it goes serve on, close, and end; at once if it does not run.

    Raises DrainExpired when something is in flight `seconds` after the lame-duck time, without `force`: the
    router goes on ending then, nothing was cut. Raises RouterError, NodeError.
    """
    now = world.clock.now()
    drain = RouterDrain(now, lame_duck, now + lame_duck + seconds)
    control = world.router(router)
    while True:
        sight, now = control.look(), world.clock.now()
        drain = seen(drain, sight, now)
        decision = next_router_step(drain, sight, now)
        report(decision.reason)
        if decision.step is RouterStep.EXPIRE and not force:
            raise DrainExpired(
                f"router {router}: {decision.reason} after {seconds:g} s; it goes on ending, nothing was cut",
                hint=f"wait with `distctl router drain {router} --timeout 10m`, or cut with `--force`",
            )
        if decision.step in (RouterStep.HALT, RouterStep.EXPIRE):
            control.halt()
            return
        if decision.step is RouterStep.CLOSE:
            control.close()
        world.clock.sleep(POLL)
