"""Two routers on machines of their own that share one address, and who operates them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from command import Operator, nodes_of
from host import Host
from load import Load

LONGEST = 4.0  # seconds that a host may take to have the address again


class Pair:
    """Two places of one router, the machines whose servers they know, and their operator."""

    def __init__(
        self,
        operator: Operator,
        places: list[Host],
        servers: list[Host],
        models: Mapping[str, Mapping[str, Any]],
        address: str = "",
    ) -> None:
        self.operator, self.places, self.servers, self.models = operator, places, servers, models
        self.address = address or f"{places[0].address.rpartition('.')[0]}.{200 + int(places[0].name[-1])}"

    def has(self, host: Host) -> bool:
        """Whether the network finds the address there; what is kept on loopback is for open connections."""
        return bool(host.run(f"ip -o addr show dev eth0 to {self.address}").stdout)

    def holder(self) -> Host:
        """The place that has the address, once it is exactly one."""
        until = time.monotonic() + LONGEST
        while len(found := [place for place in self.places if self.has(place)]) != 1:
            assert time.monotonic() < until, f"{self.address} is on {[place.name for place in found]}"
            time.sleep(0.05)
        return found[0]

    def other(self) -> Host:
        """The place that has not the address."""
        holder = self.holder()
        return next(place for place in self.places if place is not holder)

    def standby(self) -> None:
        """Wait until the place that has not the address would take it."""
        until = time.monotonic() + 40
        while not (
            (seen := self.operator.status())["healthy"] and seen["addresses"][0]["observed"]["standby"]
        ):
            assert time.monotonic() < until, seen
            time.sleep(0.5)
        time.sleep(1.5)  # a router that is just back has to be asked, and a keepalived to listen for a while

    def write(self, **router: Any) -> None:
        """The inventory, with more settings of the router."""
        nodes = {**nodes_of(self.places, servers="none"), **nodes_of(self.servers)}
        settings = {"address": self.address, **router}
        places = [place.name for place in self.places]
        self.operator.write(nodes, models=self.models, on=places, router=settings)

    def load(self, *clients: str, **how: Any) -> Load:
        """Verified clients of the shared address."""
        return Load(8000, 8001, *clients, host=self.address, **how)
