"""The schema of the inventory: one strict class a section. Unknown keys, wrong types and nulls are refused.

The classes say what one level of the file may contain; `merge` joins levels, `build` makes the spec, `checks`
looks across sections. The JSON Schema comes from here too, descriptions included.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from distctl.config.sections import Secret, Section
from distctl.config.settings import Settings
from distctl.config.values import (
    AbsolutePath,
    ClusterName,
    Duration,
    Host,
    LabelKey,
    ModelSource,
    Port,
    Size,
    Text,
)


class GroupSection(Settings):
    """What the nodes of a group share."""


class NodeSection(Settings):
    """One node, or several if its name has a range."""

    address: Text | None = Field(
        default=None, description="hostname or IP address, with ranges as in the name; absent: the name"
    )
    serve_address: Text | None = Field(
        default=None, description="where routers reach the servers; absent: the address"
    )
    connection: Literal["ssh", "local"] | None = Field(
        default=None, description="local: this machine, without ssh"
    )
    groups: list[Text] | None = Field(default=None, description="the groups it belongs to")


def _empty(value: Any) -> Any:
    return {} if value is None else value


Node = Annotated[NodeSection, BeforeValidator(_empty)]
Group = Annotated[GroupSection, BeforeValidator(_empty)]


class ModelTimeouts(Section):
    """The longest that a request to the model may take."""

    total: Duration | None = Field(default=None, description="from the first byte to the last (10m)")


class ModelSection(Section):
    """A model: where its files are, how many replicas, on which nodes."""

    source: ModelSource = Field(
        description="a folder, relative to the inventory, that is pushed; or node:/path"
    )
    replicas: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=1, description="how many servers have it loaded"
    )
    where: dict[LabelKey, Text] = Field(default_factory=dict, description="labels that a node must have")
    replay: Literal["auto", "on", "off"] = Field(
        default="auto", description="whether a unary request is sent once more when its server is lost"
    )
    policy: Literal["least-load"] = Field(default="least-load", description="how a server is chosen")
    timeouts: ModelTimeouts | None = None


class RouterPorts(Section):
    """Where clients reach the router."""

    http: Port = 8000
    grpc: Port = 8001
    metrics: Port = 8002


class RouterSection(Section):
    """A router: one HAProxy on each of its places."""

    on: Annotated[list[Text], Field(min_length=1)] = Field(description="node names, or local: this machine")
    address: Host | None = Field(
        default=None,
        description="the address to listen on; absent: every interface of a node, 127.0.0.1 for local",
    )
    ports: RouterPorts = RouterPorts()
    replay_limit: Size = Field(
        default=128 * 1024, description="the largest request that can be sent again (128KiB)"
    )
    checks: Literal["auto", "lan", "wan"] = Field(
        default="auto", description="how sharply servers are checked"
    )
    haproxy: AbsolutePath | None = Field(
        default=None, description="an executable on the router's place instead of ours"
    )


class StoreSection(Section):
    """Where the record is kept."""

    url: Text = Field(
        description="a SQLAlchemy URL without a password; a sqlite path is relative to the inventory"
    )
    password: Secret | None = Field(default=None, description="the database's password")


class InventorySection(Settings):
    """One file is one cluster."""

    version: Literal[1] = Field(description="the version of this format")
    cluster: ClusterName = Field(
        description="the name of the cluster; it stands in paths and units on every node"
    )
    groups: dict[Text, Group] = Field(default_factory=dict)
    nodes: Annotated[dict[Text, Node], Field(min_length=1)] = Field(
        description="the machines, by name; ranges as gpu[01-08]"
    )
    models: dict[Text, ModelSection] = Field(default_factory=dict)
    routers: dict[Text, RouterSection] = Field(default_factory=dict)
    store: StoreSection | None = Field(
        default=None, description="absent: SQLite in .distctl/CLUSTER.db beside the inventory"
    )
