"""How each operation is done: one function for each, all of the same shape.

Each can be done again after it was cut at any point: it looks at nothing it has remembered, writes the
record before it acts, and asks for an end state rather than for a change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from distctl.control.perform import addresses, contents, replicas, routers, servers
from distctl.control.perform.job import Job, Report
from distctl.errors import DistctlError
from distctl.policy.operations import (
    CloseSlots,
    ConfigureServer,
    DrainRouter,
    GiveUpAddress,
    InstallEnvironment,
    InstallRuntime,
    Join,
    KillServer,
    Leave,
    LoadReplica,
    Operation,
    Prune,
    PullImage,
    PushModel,
    RelayConnections,
    ReleaseAddress,
    RemoveNode,
    RemoveServers,
    SetRouterUp,
    ShareAddress,
    StartServer,
    StopRouter,
    StopServer,
    UnloadReplica,
)


def joined(one: Operation, other: Operation) -> bool:
    """Whether two operations are done in one turn: models that join the same server."""
    return isinstance(one, Join) and isinstance(other, Join) and one.server == other.server


def perform(job: Job, operations: Sequence[Operation], report: Report) -> Sequence[DistctlError | None]:
    """Do one operation, or several that are `joined`. Whatever was reached is in the record.

    What comes back says of each why it failed, or as a PartialFailure what it left out. Raises DistctlError
    when all of them failed alike.
    """
    joins = [operation for operation in operations if isinstance(operation, Join)]
    if joins:
        return replicas.join(job, joins, report)
    (operation,) = operations
    PERFORM[type(operation)](job, operation, report)
    return (None,)


PERFORM: Mapping[type, Callable[[Job, Any, Report], None]] = {
    InstallRuntime: contents.install,
    InstallEnvironment: contents.install,
    PullImage: contents.pull,
    PushModel: contents.push,
    StartServer: servers.start,
    StopServer: servers.stop,
    KillServer: servers.kill,
    CloseSlots: servers.close,
    ConfigureServer: servers.rewrite,
    LoadReplica: replicas.load,
    UnloadReplica: replicas.unload,
    Leave: replicas.leave,
    SetRouterUp: routers.router_up,
    DrainRouter: routers.router_drain,
    StopRouter: routers.router_stop,
    ShareAddress: addresses.share,
    GiveUpAddress: addresses.give_up,
    RelayConnections: addresses.relay,
    ReleaseAddress: addresses.release,
    RemoveNode: contents.remove_node,
    RemoveServers: contents.remove_servers,
    Prune: contents.prune,
}


__all__ = ["Job", "joined", "perform"]
