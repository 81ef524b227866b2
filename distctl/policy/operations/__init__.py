"""The changes that can be made, as data.

An operation names what it changes and says it in one line; how it is done stands in `control`.
"""

from __future__ import annotations

from typing import TypeAlias

from distctl.policy.operations.base import OnRouter, OnServer, Sign
from distctl.policy.operations.nodes import (
    InstallEnvironment,
    InstallRuntime,
    Prune,
    PullImage,
    PushModel,
    RemoveNode,
    RemoveServers,
)
from distctl.policy.operations.routers import (
    DrainRouter,
    GiveUpAddress,
    RelayConnections,
    ReleaseAddress,
    SetRouterUp,
    ShareAddress,
    StopRouter,
)
from distctl.policy.operations.servers import (
    CloseSlots,
    ConfigureServer,
    Join,
    KillServer,
    Leave,
    LoadReplica,
    StartServer,
    StopServer,
    UnloadReplica,
)

Operation: TypeAlias = (
    InstallRuntime
    | InstallEnvironment
    | PullImage
    | PushModel
    | StartServer
    | StopServer
    | KillServer
    | CloseSlots
    | RemoveServers
    | ConfigureServer
    | LoadReplica
    | UnloadReplica
    | Join
    | Leave
    | SetRouterUp
    | DrainRouter
    | StopRouter
    | ShareAddress
    | GiveUpAddress
    | RelayConnections
    | ReleaseAddress
    | RemoveNode
    | Prune
)


__all__ = [
    "CloseSlots",
    "ConfigureServer",
    "DrainRouter",
    "GiveUpAddress",
    "InstallEnvironment",
    "InstallRuntime",
    "Join",
    "KillServer",
    "Leave",
    "LoadReplica",
    "OnRouter",
    "OnServer",
    "Operation",
    "Prune",
    "PullImage",
    "PushModel",
    "RelayConnections",
    "ReleaseAddress",
    "RemoveNode",
    "RemoveServers",
    "SetRouterUp",
    "ShareAddress",
    "Sign",
    "StartServer",
    "StopRouter",
    "StopServer",
    "UnloadReplica",
]
