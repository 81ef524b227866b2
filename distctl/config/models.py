"""The schema of the inventory: one strict class a section. Unknown keys, wrong types and nulls are refused.

The classes say what one level of the file may contain; `merge` joins levels, `build` makes the spec, `checks`
looks across sections. The JSON Schema comes from here too, descriptions included.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from typing_extensions import Self

from distctl.cluster.spec import LogSpec, Policy
from distctl.config.controlling import ControllerSection
from distctl.config.healing import HealingSection
from distctl.config.requests import ModelTimeouts, PrefixSection
from distctl.config.scaling import AutoscaleSection, Replicas, refuse_unfit
from distctl.config.sections import Secret, Section
from distctl.config.settings import Settings
from distctl.config.shared import KeepalivedSection
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
    refuse,
)

SMALLEST_FILE = 1024 * 1024  # bytes


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


def _concurrency(value: Any) -> Any:
    if value == "auto":
        return 0
    if isinstance(value, str):
        refuse(f"`{value}` is no number of requests", "write auto, or a whole number")
    if value == 0 and not isinstance(value, bool):
        refuse("a server that takes no request at all serves nobody", "write auto, or at least 1")
    return value


Concurrency = Annotated[
    int,
    BeforeValidator(_concurrency),
    Field(ge=0, le=100_000),
    WithJsonSchema({"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": 100_000}]}),
]


class QueueSection(Section):
    """The requests that wait in a router while every server has its number."""

    length: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=100, description="how many wait, the next is refused at once (100); API keys share the places"
    )


class ModelSection(Section):
    """A model: where its files are, how many replicas, on which nodes."""

    source: ModelSource = Field(
        description="a folder, relative to the inventory, that is pushed; or node:/path"
    )
    replicas: Replicas = Field(
        default=1, description="how many servers have it loaded, or a range in which demand decides"
    )
    autoscale: AutoscaleSection | None = None
    where: dict[LabelKey, Text] = Field(default_factory=dict, description="labels that a node must have")
    replay: Literal["auto", "on", "off"] = Field(
        default="auto", description="whether a unary request is sent once more when its server is lost"
    )
    probe: Literal["auto", "off"] = Field(
        default="auto",
        description="whether the controller sends a made-up request to a replica without traffic",
    )
    policy: Policy | None = Field(
        default=None,
        description="how a server is chosen; absent: sequence for a model with sequences, else least-load",
    )
    prefix: PrefixSection | None = None
    timeouts: ModelTimeouts | None = None
    concurrency: Concurrency | None = Field(
        default=None,
        description="requests that one server gets at once: auto (instances times batch), or a number",
    )
    queue: QueueSection | None = None

    @model_validator(mode="after")
    def _fits_its_policy(self) -> Self:
        if self.prefix is not None and self.policy != "prefix":
            refuse("`prefix` has no effect without that policy", "write policy: prefix, or remove it")
        if self.policy == "sequence" and self.replay == "on":
            refuse("a step of a sequence that is sent again counts twice", "remove replay: on")
        return self

    @model_validator(mode="after")
    def _scales(self) -> Self:
        refuse_unfit(self.replicas, self.autoscale)
        return self


class RouterPorts(Section):
    """Where clients reach the router."""

    http: Port = 8000
    grpc: Port = 8001
    metrics: Port = 8002
    peers: Port = Field(
        default=8003,
        description="where several places of a router tell each other of sequences, in clear text",
    )


class TlsSection(Section):
    """The router speaks TLS, REST and gRPC alike."""

    certificate: Text = Field(
        description="a PEM file with the chain, the router's own first, relative to the inventory"
    )
    key: Secret = Field(description="its private key as PEM, without a passphrase")
    client_ca: Text | None = Field(
        default=None, description="clients must show a certificate of these authorities, a PEM file"
    )


class LimitsSection(Section):
    """What a request may be, whoever sends it."""

    body: Size | None = Field(default=None, description="the largest request; absent: no limit")
    headers: Size | None = Field(default=None, description="the largest headers; absent: what HAProxy holds")
    connections: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="open at once from one client's address; absent: no limit"
    )
    upload: Duration | None = Field(
        default=None, description="how long a request that can be sent again may take to arrive (60s)"
    )


class LogSection(Section):
    """What became of each request, one line of JSON each; `distctl logs ROUTER` reads it."""

    to: Literal["file", "journal", "off"] = Field(
        default="file", description="a rotated file, the machine's journal, or nowhere"
    )
    keep: Size = Field(
        default=LogSpec().keep, description="the size of all files of one place together (100MiB)"
    )
    files: Annotated[int, Field(ge=2, le=100)] = Field(
        default=LogSpec().files, description="into how many files it is divided"
    )

    @model_validator(mode="after")
    def _worth_a_file(self) -> Self:
        if self.keep < self.files * SMALLEST_FILE:
            refuse("`keep` leaves less than 1MiB for a file", "raise it, or lower `files`")
        return self


class RouterSection(Section):
    """A router: one HAProxy on each of its places."""

    on: Annotated[list[Text], Field(min_length=1)] = Field(description="node names, or local: this machine")
    address: Host | None = Field(
        default=None,
        description="where clients find it: one place listens there alone, several share it by keepalived; "
        "absent: every interface of a node, 127.0.0.1 for local",
    )
    keepalived: KeepalivedSection | None = None
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
    tls: TlsSection | None = None
    auth: Literal["none", "keys"] = Field(
        default="none", description="keys: clients need an API key, see `distctl key`"
    )
    limits: LimitsSection | None = None
    lame_duck: Duration = Field(
        default=10.0, description="how long it serves on once its health path says that it goes (10s)"
    )
    log: LogSection = LogSection()
    ready: Literal["all", "any"] = Field(
        default="all", description="it is ready when all wanted models have a ready server, or any server is"
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
    healing: HealingSection | None = None
    controller: ControllerSection | None = None
    store: StoreSection | None = Field(
        default=None, description="absent: SQLite in .distctl/CLUSTER.db beside the inventory"
    )
