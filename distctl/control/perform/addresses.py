"""The addresses that routers share."""

from __future__ import annotations

from distctl.control.perform.job import Job, Report
from distctl.errors import RouterError
from distctl.policy.operations import GiveUpAddress, RelayConnections, ReleaseAddress, ShareAddress

TAKEN = 15.0  # seconds until some place has an address: keepalived takes it some seconds after its start


def share(job: Job, op: ShareAddress, report: Report) -> None:
    """Tell keepalived on a place what to be, and wait until some place has the address."""
    job.world.address(op.router).apply(job.addresses[op.router])
    report(f"waiting until a place has {op.address}")
    _await_holder(job, op)


def give_up(job: Job, op: GiveUpAddress, report: Report) -> None:
    """Let another place take the address before this one stops serving it."""
    report("letting another place have the address")
    view, control = job.addresses[op.router], job.world.address(op.router)
    mates = [mate for id, mate in job.addresses.items() if id.router == op.router.router and mate != view]
    if not control.give_up(view, chained=any(mate.yields for mate in mates)):
        report(f"no other place takes {op.address}: it stays")
    control.apply(view)


def relay(job: Job, op: RelayConnections, report: Report) -> None:
    """Have a place send on what is open to the one that gives the address up."""
    if not job.world.address(op.router).relay(job.addresses[op.router], job.addresses[op.giver].source):
        report(f"no nftables there: what is open to {op.giver.place} ends with the move")


def _await_holder(job: Job, op: ShareAddress) -> None:
    """Wait until some place of the router has the address: not always this one."""
    until = job.world.clock.now() + TAKEN
    places = [router for router in job.addresses if router.router == op.router.router]
    while not any(job.world.address(router).look().holds for router in places):
        if job.world.clock.now() > until:
            said = f"no place of router {op.router.router} took {op.address} in {TAKEN:g} s"
            raise RouterError(said, hint=f"distctl logs {op.router.router}")
        job.world.clock.sleep(0.2)


def release(job: Job, op: ReleaseAddress, report: Report) -> None:
    """End keepalived on a place."""
    report("stopping keepalived")
    job.world.address(op.router).remove()
