"""What is to be done so that the places of a router share its address, in the order that keeps it alive."""

from __future__ import annotations

from collections.abc import Iterator

from distctl.cluster.shared import AddressSight
from distctl.cluster.snapshot import Snapshot
from distctl.cluster.spec import RouterId
from distctl.policy.operations import ReleaseAddress, SetRouterUp, ShareAddress, Sign
from distctl.policy.plan import Skip
from distctl.policy.work import Work

UNIT = "keepalived-"  # what such a unit's name begins with


def share(work: Work) -> None:
    """Plan what brings shared addresses to what is wanted, once the steps that launch routers are planned.

    Who is there already hears of a new place first: a place that nobody speaks with takes the address.
    """
    launched = {
        step.operation.router: step.number
        for step in work.draft.steps
        if isinstance(step.operation, SetRouterUp)
    }
    told: dict[str, set[int]] = {}
    for router, sight in _sights(work, running=True):
        wanted = work.wish.address_settings[router]
        if sight.settings != wanted:
            step = ShareAddress(router, _address(work, router), Sign.UPDATE)
            told.setdefault(router.router, set()).add(work.draft.add(step, _why(wanted, sight.settings)))
    for router, _ in _sights(work, running=False):
        needs = told.get(router.router, set()) | ({launched[router]} if router in launched else set())
        work.draft.add(ShareAddress(router, _address(work, router)), "keepalived does not run there", needs)
    for router, why in sorted(work.wish.unshared.items()):
        work.draft.skipped.append(Skip(str(router), f"{router}: {why.why}: {why.remedy}"))
    _release_strangers(work)


def _sights(work: Work, *, running: bool) -> Iterator[tuple[RouterId, AddressSight]]:
    for router in sorted(work.wish.addresses.keys() - work.wish.unshared.keys()):
        sight = work.snapshot.addresses.get(router)
        gone = work.wish.prune and router in work.wish.left
        if sight is not None and not sight.error and not gone and sight.running is running:
            yield router, sight


def _address(work: Work, router: RouterId) -> str:
    return work.wish.addresses[router].shared.address


def _why(wanted: str, seen: str) -> str:
    if wanted.endswith("drawn-back") and not seen.endswith("drawn-back"):
        return "its place drains: another one takes the address first"
    if seen.endswith("drawn-back") and not wanted.endswith("drawn-back"):
        return "its place drains no more"
    return "its settings changed: told without letting go of the address"


def release(work: Work, router: RouterId, why: str) -> set[int]:
    """The step that takes a place's address away before its router goes; none where nothing is shared."""
    if router not in carried(work.snapshot):
        return set()
    return {work.draft.add(ReleaseAddress(router), why)}


def _release_strangers(work: Work) -> None:
    """Keepalived of routers that do not share an address any more."""
    known = {*work.wish.addresses, *work.wish.unshared, *(() if not work.wish.prune else work.wish.left)}
    kept = known | (work.record.routers - set(work.wish.spec.router_ids))
    for router in carried(work.snapshot):
        if router not in kept:
            work.draft.add(ReleaseAddress(router), "it has no address to share any more")


def carried(snapshot: Snapshot) -> list[RouterId]:
    """The places that have keepalived of ours or a shared address, by what was seen there."""
    units = {
        RouterId(unit.removeprefix(UNIT), place)
        for place, sight in snapshot.nodes.items()
        for unit in sight.units
        if unit.startswith(UNIT)
    }
    return sorted(units | {id for id, sight in snapshot.addresses.items() if sight.running or sight.holds})
