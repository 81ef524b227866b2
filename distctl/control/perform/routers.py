"""Routers launched, configured, drained and stopped."""

from __future__ import annotations

from distctl.cluster.record import DropRouter, SetRouter
from distctl.control.ending import end_router
from distctl.control.perform.job import Job, Report
from distctl.control.perform.writing import keep_node
from distctl.policy.operations import DrainRouter, SetRouterUp, StopRouter

STOP_ROUTER = 300.0  # seconds for what is in flight there, as long as a drain may take by default


def router_up(job: Job, op: SetRouterUp, report: Report) -> None:
    """Launch a router, or bring its configuration to what is wanted."""
    report("rendering, checking, loading")
    keep_node(job, op.node)
    job.world.store.commit(job.token, [SetRouter(op.router)])
    report(job.routing.bring(op.router))


def router_drain(job: Job, op: DrainRouter | StopRouter, report: Report) -> None:
    """Let a router say that it goes, serve on for its lame duck time, and end with its last request."""
    if op.router in job.lame_ducks:
        report("its health path says that it goes")
        job.routing.end(op.router)
    seconds, force = job.patience(op.node, STOP_ROUTER)
    end_router(
        job.world,
        op.router,
        lame_duck=job.lame_ducks.get(op.router, 0.0),
        seconds=seconds,
        force=force,
        report=report,
    )


def router_stop(job: Job, op: StopRouter, report: Report) -> None:
    """Drain a router, stop it and forget it."""
    seconds, _ = job.patience(op.node, STOP_ROUTER)
    if not op.hasty:
        router_drain(job, op, report)
        seconds = 0.0
    report("waiting for nothing in flight")
    job.world.router(op.router).stop(deadline=seconds)
    job.world.store.commit(job.token, [DropRouter(op.router)])
