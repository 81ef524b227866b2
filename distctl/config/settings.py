"""The schema of what may be said at every level: ssh, runtime, servers and what else a node has."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from distctl.config.power import PowerSection
from distctl.config.runtime import RuntimeSection
from distctl.config.sections import SECRET_SCHEMA, Secret, Section
from distctl.config.servers import Servers
from distctl.config.values import AbsolutePath, Duration, Hop, LabelKey, Port, Text, User, refuse


class BecomeSection(Section):
    """Run as root by sudo."""

    password: Secret | None = Field(
        default=None, description="sudo's password; without it sudo must ask for none"
    )


class NoBecome(BecomeSection):
    """`become: false`: not as root, whatever a level above says."""


def _become(value: Any) -> Any:
    if isinstance(value, bool):
        return BecomeSection(password=None) if value else NoBecome(password=None)
    if not isinstance(value, dict):
        return refuse("does not say how", "write true, false or {password: {env: NAME}}")
    return value


_BECOME_SCHEMA = {
    "description": "run as root by sudo: true, false, or with a password",
    "anyOf": [
        {"type": "boolean"},
        {"type": "object", "additionalProperties": False, "properties": {"password": SECRET_SCHEMA}},
    ],
}


class SshSection(Section):
    """How ssh reaches the node. What is absent comes from ~/.ssh/config and the agent."""

    user: User | None = Field(default=None, description="who to log in as")
    port: Port | None = Field(default=None, description="the port of sshd")
    key: Text | None = Field(default=None, description="a private key, relative to the inventory")
    password: Secret | None = Field(default=None, description="the password of the account; a key is better")
    jump: list[Hop] | None = Field(
        default=None, description="jump hosts in order, [user@]host[:port]; [] is none"
    )
    host_keys: Literal["strict", "accept-new"] | None = Field(
        default=None, description="what to do with an unknown host key"
    )
    known_hosts: Text | None = Field(
        default=None, description="this file of known host keys instead of ssh's own"
    )
    config: Text | None = Field(default=None, description="this ssh configuration instead of ~/.ssh/config")
    become: Annotated[BecomeSection, BeforeValidator(_become), WithJsonSchema(_BECOME_SCHEMA)] | None = None


class TimeoutsSection(Section):
    """The longest that each of these may take."""

    connect: Duration | None = Field(default=None, description="a connection by ssh (default 10s)")
    start: Duration | None = Field(default=None, description="a server, from its start until it answers (2m)")
    load: Duration | None = Field(
        default=None, description="a model, from the request until it is ready (10m)"
    )
    drain: Duration | None = Field(
        default=None, description="the requests in flight, before a server is let go (5m)"
    )
    pull: Duration | None = Field(default=None, description="a container's image, from its registry (30m)")


class Settings(Section):
    """What may be said for a node, for a group or for all: node before group before top level."""

    ssh: SshSection | None = None
    runtime: RuntimeSection | None = None
    servers: Servers | None = None
    labels: dict[LabelKey, Text] | None = Field(
        default=None, description="words that a model's `where` can ask for"
    )
    timeouts: TimeoutsSection | None = None
    power: PowerSection | None = None
    directory: AbsolutePath | None = Field(
        default=None, description="where distctl keeps what it puts on the node"
    )
