"""What is to be done so that the places of a router share its address, in the order that keeps it alive."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from distctl.cluster.shared import AddressSight
from distctl.cluster.snapshot import Snapshot
from distctl.cluster.spec import RouterId
from distctl.policy.operations import (
    GiveUpAddress,
    OnRouter,
    RelayConnections,
    ReleaseAddress,
    SetRouterUp,
    ShareAddress,
    Sign,
)
from distctl.policy.plan import Skip
from distctl.policy.work import Work

UNIT = "keepalived-"  # what such a unit's name begins with


def share(work: Work) -> None:
    """Plan what brings shared addresses to what is wanted, after the steps that launch and stop routers."""
    told = _tell(work)
    _begin(work, told)
    for router, why in sorted(work.wish.unshared.items()):
        work.draft.skipped.append(Skip(str(router), f"{router}: {why.why}: {why.remedy}"))
    _release_strangers(work)


def _tell(work: Work) -> Mapping[str, set[int]]:
    """Plan what keepalived that runs is told; by router the steps that name its places to each other."""
    told: dict[str, set[int]] = defaultdict(set)
    for router, sight in _sights(work, running=True):
        yields = work.wish.addresses[router].yields
        if sight.settings == work.wish.address_settings[router]:
            continue
        if yields and not sight.drawn_back:
            give_up(work, router, "its place drains: another one takes the address first")
            continue
        again = sight.drawn_back and not yields
        changed = "its settings changed: told without letting go of the address"
        step = ShareAddress(router, _address(work, router), Sign.UPDATE)
        needs = _planned(work, ReleaseAddress, router.router)  # those are spoken with until then
        told[router.router].add(work.draft.add(step, "its place drains no more" if again else changed, needs))
    return told


def _begin(work: Work, told: Mapping[str, set[int]]) -> None:
    """Plan the start of keepalived: a place that nobody speaks with yet would take the address."""
    for router, _ in _sights(work, running=False):
        needs = told.get(router.router, set()) | _planned(work, SetRouterUp, router.router, router.place)
        work.draft.add(ShareAddress(router, _address(work, router)), "keepalived does not run there", needs)


def give_up(work: Work, router: RouterId, why: str) -> set[int]:
    """The step that moves an address away from a place before its router goes; none where it shares none.

    Those who may take it are told before to leave what is open with that place.
    """
    planned = _planned(work, GiveUpAddress, router.router, router.place)
    sight = work.snapshot.addresses.get(router)
    if planned or sight is None or not sight.running or router not in work.wish.addresses:
        return planned
    address = _address(work, router)
    takers = [
        other
        for other, _ in _sights(work, running=True)
        if sight.holds and other.router == router.router and not work.wish.addresses[other].yields
    ]
    needs = {
        work.draft.add(RelayConnections(taker, address, router), f"{router.place} gives the address up")
        for taker in takers
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


def release(work: Work, router: RouterId, why: str, needs: set[int]) -> None:
    """Plan the end of keepalived on a place whose router has ended before."""
    if router in carried(work.snapshot) and not _planned(work, ReleaseAddress, router.router, router.place):
        work.draft.add(ReleaseAddress(router), why, needs)


def _planned(work: Work, kind: type[OnRouter], router: str, place: str = "") -> set[int]:
    """The steps of a kind that stand in the plan already, for a router on one place or, without, on any."""
    return {
        step.number
        for step in work.draft.steps
        if isinstance(step.operation, kind)
        and step.operation.router.router == router
        and place in ("", step.operation.router.place)
    }


def addressed(work: Work, router: RouterId) -> set[int]:
    """The steps planned for a place's shared address: another place has it before its router ends."""
    return {
        step.number
        for step in work.draft.steps
        if isinstance(step.operation, (ShareAddress, GiveUpAddress)) and step.operation.router == router
    }


def _release_strangers(work: Work) -> None:
    """Keepalived of routers that do not share an address any more."""
    known = {*work.wish.addresses, *work.wish.unshared, *(() if not work.wish.prune else work.wish.left)}
    kept = known | (work.record.routers - set(work.wish.spec.router_ids))
    for router in carried(work.snapshot):
        if router not in kept:
            release(work, router, "it has no address to share any more", set())


def carried(snapshot: Snapshot) -> list[RouterId]:
    """The places that have keepalived of ours or a shared address, by what was seen there."""
    units = {
        RouterId(unit.removeprefix(UNIT), place)
        for place, sight in snapshot.nodes.items()
        for unit in sight.units
        if unit.startswith(UNIT)
    }
    return sorted(units | {id for id, sight in snapshot.addresses.items() if sight.running or sight.holds})
