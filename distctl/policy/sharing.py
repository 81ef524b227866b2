"""What is to be done so that the places of a router share its address, in the order that keeps it alive."""

from __future__ import annotations

from collections.abc import Iterator

from distctl.cluster.shared import AddressSight
from distctl.cluster.snapshot import Snapshot
from distctl.cluster.spec import RouterId
from distctl.policy.operations import (
    GiveUpAddress,
    RelayConnections,
    ReleaseAddress,
    SetRouterUp,
    ShareAddress,
    Sign,
)
from distctl.policy.plan import Skip
from distctl.policy.work import Work

BACK = "-drawn-back"  # how the settings of a place end that draws back
UNIT = "keepalived-"  # what such a unit's name begins with


def share(work: Work) -> None:
    """Plan what brings shared addresses to what is wanted, after the steps that launch and stop routers.

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
        if sight.settings == wanted:
            continue
        if work.wish.addresses[router].yields and not sight.settings.endswith(BACK):
            give_up(work, router, "its place drains: another one takes the address first")
            continue
        step = ShareAddress(router, _address(work, router), Sign.UPDATE)
        number = work.draft.add(step, _why(wanted, sight.settings), _released(work, router.router))
        told.setdefault(router.router, set()).add(number)
    for router, _ in _sights(work, running=False):
        needs = told.get(router.router, set()) | ({launched[router]} if router in launched else set())
        work.draft.add(ShareAddress(router, _address(work, router)), "keepalived does not run there", needs)
    for router, why in sorted(work.wish.unshared.items()):
        work.draft.skipped.append(Skip(str(router), f"{router}: {why.why}: {why.remedy}"))
    _release_strangers(work)


def give_up(work: Work, router: RouterId, why: str) -> set[int]:
    """The step that moves an address away from a place before its router goes; none where it shares none.

    The others are told before it to leave what is open with that place.
    """
    sight = work.snapshot.addresses.get(router)
    if sight is None or not sight.running or router not in work.wish.addresses:
        return set()
    address = _address(work, router)
    others = [o for o, _ in _sights(work, running=True) if o.router == router.router and o != router]
    needs = {
        work.draft.add(RelayConnections(other, address, router), f"{router.place} gives the address up")
        for other in others
    }
    return {work.draft.add(GiveUpAddress(router, address), why, needs)}


def _sights(work: Work, *, running: bool) -> Iterator[tuple[RouterId, AddressSight]]:
    for router in sorted(work.wish.addresses.keys() - work.wish.unshared.keys()):
        sight = work.snapshot.addresses.get(router)
        gone = work.wish.prune and router in work.wish.left
        if sight is not None and not sight.error and not gone and sight.running is running:
            yield router, sight


def _address(work: Work, router: RouterId) -> str:
    return work.wish.addresses[router].shared.address


def _why(wanted: str, seen: str) -> str:
    if seen.endswith(BACK) and not wanted.endswith(BACK):
        return "its place drains no more"
    return "its settings changed: told without letting go of the address"


def release(work: Work, router: RouterId, why: str, needs: set[int]) -> None:
    """Plan the end of keepalived on a place whose router has ended before."""
    if router in carried(work.snapshot):
        work.draft.add(ReleaseAddress(router), why, needs)


def _released(work: Work, router: str) -> set[int]:
    """The steps that end keepalived on other places: they are spoken with until then."""
    return {
        step.number
        for step in work.draft.steps
        if isinstance(step.operation, ReleaseAddress) and step.operation.router.router == router
    }


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
