"""Who has the address that the places of a router share."""

from __future__ import annotations

from dataclasses import dataclass

from distctl.cluster.shared import AddressSight, SharedAddress
from distctl.cluster.snapshot import Snapshot
from distctl.cluster.spec import RouterId, RouterSpec, Spec


@dataclass(frozen=True, slots=True)
class AddressStanding:
    """A shared address: who has it now."""

    router: str
    address: str
    holders: tuple[str, ...]  # places
    standby: tuple[str, ...]  # places that would take it
    silent: tuple[str, ...] = ()  # places that could not be asked

    @property
    def state(self) -> str:
        """Who has it, in words; `split` where several places do."""
        if len(self.holders) > 1:
            return f"split: on {' and '.join(self.holders)}"
        return f"on {self.holders[0]}" if self.holders else "on no place"

    @property
    def reason(self) -> str:
        """What is wrong with that, and what is not known."""
        unknown = f"not asked: {', '.join(self.silent)}" if self.silent else ""
        if len(self.holders) > 1:
            return "they do not hear each other: VRRP (IP protocol 112) must pass between them"
        if not self.holders:
            return unknown or "keepalived runs nowhere, or no router there is alive"
        return unknown or ("" if self.standby else "nobody would take it over")

    @property
    def whole(self) -> bool:
        """Whether clients find exactly one router there."""
        return len(self.holders) == 1


def address_standings(spec: Spec, snapshot: Snapshot) -> tuple[AddressStanding, ...]:
    """Who has the shared addresses."""
    return tuple(_standing(r, r.shared, snapshot) for r in spec.routers if r.shared)


def _standing(router: RouterSpec, shared: SharedAddress, snapshot: Snapshot) -> AddressStanding:
    places = [RouterId(router.name, place) for place in router.on]
    seen = [snapshot.addresses.get(id) or AddressSight(id, error="not asked") for id in places]
    return AddressStanding(
        router.name,
        shared.address,
        tuple(sight.id.place for sight in seen if sight.holds),
        tuple(sight.id.place for sight in seen if _would_take(sight, snapshot)),
        tuple(sight.id.place for sight in seen if sight.error),
    )


def _would_take(sight: AddressSight, snapshot: Snapshot) -> bool:
    router = snapshot.routers.get(sight.id)
    return (
        sight.running and not sight.holds and not sight.drawn_back and router is not None and router.running
    )
