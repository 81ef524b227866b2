"""Keepalived in memory: one of the places that share an address has it."""

from __future__ import annotations

from distctl.cluster.names import RouterId
from distctl.cluster.shared import AddressSight, AddressView
from distctl.testing.calls import Calls


class FakeAddress:
    """A router's shared address on one place. `all` are those of every router and place."""

    def __init__(self, id: RouterId, all: dict[RouterId, FakeAddress], calls: Calls) -> None:
        self.id, self.holds = id, False
        self.view: AddressView | None = None
        self._all, self._calls = all, calls

    def apply(self, view: AddressView) -> None:
        """Be as the view says; whoever has the address keeps it."""
        with self._calls.change(f"{self.id}: share"):
            self.view = view
            if not any(other.holds for other in self._mates()):
                self.holds = True

    def relay(self, view: AddressView, giver: str) -> bool:
        """Send on to another place from now on."""
        with self._calls.change(f"{self.id}: relay to {giver}"):
            return True

    def give_up(self, view: AddressView, *, chained: bool) -> bool:
        """Let another place have it, if there is one that does not draw back."""
        with self._calls.change(f"{self.id}: give up"):
            takers = [o for o in self._mates() if o is not self and o.view and not o.view.yields]
            if self.holds and takers:
                self.holds, takers[0].holds = False, True
            return not self.holds

    def look(self) -> AddressSight:
        """What is there now."""
        from distctl.commands.keepalived import settings_of

        with self._calls.look(f"{self.id}: address"):
            if self.view is None:
                return AddressSight(self.id)
            return AddressSight(self.id, True, settings_of(self.view), self.holds)

    def remove(self) -> None:
        """Stop, and have nothing any more."""
        with self._calls.change(f"{self.id}: release"):
            self.view, self.holds = None, False

    def _mates(self) -> list[FakeAddress]:
        return [other for id, other in sorted(self._all.items()) if id.router == self.id.router]
