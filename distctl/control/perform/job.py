"""What operations are done with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from distctl.cluster.shared import AddressView
from distctl.cluster.spec import ModelSpec, Node, RouterId, Server, ServerId
from distctl.control.routing import Routing
from distctl.control.world import World
from distctl.policy.errands import Patience

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Job:
    """What every operation of one execution is done with."""

    world: World
    token: int
    routing: Routing
    nodes: Mapping[str, Node]  # those of the spec and those that left it
    models: Mapping[str, ModelSpec]
    contents: Mapping[str, str]  # model to digest
    documents: Mapping[str, str]  # node to JSON, for the record
    force: bool = False  # cut what is in flight at a drain's deadline
    drain_seconds: float | None = None  # instead of the node's own
    patiences: Mapping[str, Patience] = field(default_factory=dict)  # by place, before the two above
    cleared: Mapping[str, str] = field(default_factory=dict)  # documents without the servers that left
    lame_ducks: Mapping[RouterId, float] = field(
        default_factory=dict
    )  # seconds; of routers we know how to tell
    addresses: Mapping[RouterId, AddressView] = field(default_factory=dict)

    def server(self, server: ServerId) -> Server:
        """The server of that id."""
        return next(s for s in self.nodes[server.node].servers if s.id == server)

    def places(self, node: str) -> tuple[str, ...]:
        """Where a step on a node may change something: there and, in the routers, everywhere else."""
        return tuple(sorted({node, *(router.place for router in self.routing.routers)}))

    def patience(self, place: str, usual: float) -> tuple[float, bool]:
        """How many seconds a drain there may take, and whether what is in flight then is cut."""
        if place in self.patiences:
            own = self.patiences[place]
            return own.left(usual), own.force
        return usual if self.drain_seconds is None else self.drain_seconds, self.force

    def load_seconds(self, server: Server) -> float:
        """How long one model may take to load."""
        return self.nodes[server.id.node].timeouts.load
