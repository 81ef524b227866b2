"""keepalived on one place of a router; fulfils `ports.AddressControl`."""

from __future__ import annotations

from distctl.adapters.haproxy.folder import Change
from distctl.cluster.names import RouterId
from distctl.cluster.shared import AddressSight, AddressView, SharedAddress
from distctl.commands import keepalived, units
from distctl.errors import DistctlError, RouterError
from distctl.ports import Connector

LOOK = 10.0  # seconds
SPARE = 1.0  # seconds beside the advertisements that another place misses before it takes the address


class Keepalived:
    """The shared address of a router on one place; `shared` is None when the file has none any more.

    `change` runs a script there under the place's lock.
    """

    def __init__(
        self,
        connector: Connector,
        id: RouterId,
        root: str,
        change: Change,
        manager: units.Manager,
        shared: SharedAddress | None,
    ) -> None:
        self._connector, self._id, self._change = connector, id, change
        self._unit, self._manager = keepalived.unit(root, id.router), manager
        self._address = shared.address if shared else ""

    def apply(self, view: AddressView) -> None:
        """Be as the view says; see `ports.AddressControl`."""
        self._do(keepalived.accept(self._unit, view), "configuring keepalived")
        self._do(units.start(self._unit, self._manager), "starting keepalived")

    def give_up(self, view: AddressView, *, chained: bool) -> bool:
        """Let another place have the address; see `ports.AddressControl`."""
        seconds = 4 * view.shared.interval + SPARE
        script = keepalived.give_up(self._unit, view, seconds, chained=chained)
        return keepalived.KEPT not in self._do(script, "giving up the address").split()

    def relay(self, view: AddressView, giver: str) -> bool:
        """Send on to `giver` what belongs to no connection here; see `ports.AddressControl`."""
        said = self._do(keepalived.relay(self._unit, view, giver), "sending on what is open elsewhere")
        return keepalived.UNRELAYED not in said.split()

    def look(self) -> AddressSight:
        """What is there now; see `ports.AddressControl`."""
        script = keepalived.look(self._unit, self._address)
        try:
            result = self._connector.run(script, tried="looking for the shared address", deadline=LOOK)
        except (DistctlError, OSError) as error:
            return AddressSight(self._id, error=str(error))
        return keepalived.parse_look(self._id, result.stdout)

    def remove(self) -> None:
        """Stop keepalived there and remove what was put there; see `ports.AddressControl`."""
        self._do(keepalived.remove(self._unit, self._address, self._manager), "stopping keepalived")

    def _do(self, script: str, tried: str) -> str:
        result = self._change(script, tried, 60.0)
        if result.status != 0:
            said = (result.stdout + result.stderr).strip().splitlines()[-20:]
            raise RouterError(f"{self._id}: {tried} failed: " + "\n".join(said))
        return result.stdout
