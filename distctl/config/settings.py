"""The schema of what may be said at every level: ssh, runtime, servers, labels, timeouts, directory."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator
from typing_extensions import Self

from distctl.config.sections import Section
from distctl.config.servers import Servers
from distctl.config.values import (
    AbsolutePath,
    Duration,
    Hop,
    LabelKey,
    Port,
    Text,
    User,
    Variable,
    refuse,
)

OURS = (
    *(
        "http-port",
        "http-address",
        "grpc-port",
        "grpc-address",
        "metrics-port",
        "metrics-address",
        "load-model",
    ),
    *("model-repository", "model-store", "model-control-mode", "http-restricted-api", "exit-on-error"),
    *("grpc-restricted-protocol", "strict-readiness", "backend-directory", "disable-auto-complete-config"),
)
"""Arguments of tritonserver that distctl writes itself, but for the last, which samples rely on."""

SECRET_HINT = "write {env: NAME}, {file: PATH} or {command: [PROGRAM, ARGUMENT]}"  # noqa: S105 - not one


class SecretSection(Section):
    """Where to read a secret when it is needed; its value never stands in the file."""

    env: Variable | None = Field(default=None, description="the environment variable that holds it")
    file: Text | None = Field(default=None, description="the file that holds it, relative to the inventory")
    command: Annotated[list[Text], Field(min_length=1)] | None = Field(
        default=None, description="the command that prints it, with its arguments"
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(place is not None for place in (self.env, self.file, self.command)) != 1:
            refuse("a secret has exactly one place", SECRET_HINT)
        return self


def _no_plain_secret(value: Any) -> Any:
    if isinstance(value, (dict, SecretSection)):
        return value
    return refuse("a secret must not stand in the inventory", SECRET_HINT)


_SECRET_SCHEMA = {
    "description": "where to read a secret: {env: NAME}, {file: PATH} or {command: [PROGRAM, ARGUMENT]}",
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
    "properties": {
        "env": {"type": "string"},
        "file": {"type": "string"},
        "command": {"type": "array", "items": {"type": "string"}, "minItems": 1},
    },
}

Secret = Annotated[SecretSection, BeforeValidator(_no_plain_secret), WithJsonSchema(_SECRET_SCHEMA)]


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
        {"type": "object", "additionalProperties": False, "properties": {"password": _SECRET_SCHEMA}},
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


def _argument(text: str) -> str:
    name = text.partition("=")[0].lstrip("-").replace("_", "-")
    if text.startswith("-") and name in OURS:
        refuse(f"`{text.partition('=')[0]}` is set by distctl itself", "remove it")
    return text


Argument = Annotated[
    Text, BeforeValidator(lambda value: _argument(value) if isinstance(value, str) else value)
]


class RuntimeSection(Section):
    """What the servers of the node run as."""

    kind: Literal["binary", "external"] | None = Field(
        default=None,
        description="binary: distctl runs tritonserver; external: it runs already and is only routed to",
    )
    path: AbsolutePath | None = Field(
        default=None,
        description="a tritonserver folder on the node; absent: the one of the nvidia-pytriton wheel",
    )
    python: AbsolutePath | None = Field(
        default=None, description="the node's interpreter for the python backend"
    )
    environment: dict[Variable, str] | None = Field(
        default=None, description="added to the server's clean environment"
    )
    arguments: list[Argument] | None = Field(default=None, description="added to tritonserver's command line")

    @model_validator(mode="after")
    def _external_is_alone(self) -> Self:
        if self.kind == "external":
            for key in ("path", "python", "environment", "arguments"):
                if getattr(self, key) is not None:
                    refuse(f"an external server is not started, so `{key}` has no effect", "remove it")
        return self


class TimeoutsSection(Section):
    """The longest that each of four things may take."""

    connect: Duration | None = Field(default=None, description="a connection by ssh (default 10s)")
    start: Duration | None = Field(default=None, description="a server, from its start until it answers (2m)")
    load: Duration | None = Field(
        default=None, description="a model, from the request until it is ready (10m)"
    )
    drain: Duration | None = Field(
        default=None, description="the requests in flight, before a server is let go (5m)"
    )


class Settings(Section):
    """What may be said for a node, for a group or for all: node before group before top level."""

    ssh: SshSection | None = None
    runtime: RuntimeSection | None = None
    servers: Servers | None = None
    labels: dict[LabelKey, Text] | None = Field(
        default=None, description="words that a model's `where` can ask for"
    )
    timeouts: TimeoutsSection | None = None
    directory: AbsolutePath | None = Field(
        default=None, description="where distctl keeps what it puts on the node"
    )
