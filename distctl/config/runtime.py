"""The schema of `runtime`: what the servers of a node run as, and how."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema, model_validator
from typing_extensions import Self

from distctl.cluster.image import NVIDIA, parse_image
from distctl.cluster.needs import PYTHONS
from distctl.config.kinds import useless
from distctl.config.sections import Secret, Section
from distctl.config.values import AbsolutePath, Size, Text, Variable, refuse

OURS = (
    *("http-port", "http-address", "grpc-port", "grpc-address", "metrics-port", "metrics-address"),
    *("load-model", "model-repository", "model-store", "model-control-mode", "http-restricted-api"),
    *("exit-on-error", "grpc-restricted-protocol", "strict-readiness", "backend-directory"),
    "disable-auto-complete-config",
)
"""Arguments of tritonserver that distctl writes itself, but for the last, which samples rely on."""

ENGINES_OURS = (
    *("name", "detach", "d", "rm", "restart", "init", "publish", "p", "cidfile", "entrypoint"),
    *("interactive", "i", "tty", "t", "it", "ti", "stop-timeout", "log-driver", "log-opt", "workdir", "w"),
)
"""Arguments of an engine's `run` that distctl writes itself or could not work with."""
KEY_FOR = {"network": "network", "net": "network", "ipc": "ipc", "shm-size": "shm"}
"""Those that have a key of their own."""


def _name(text: str) -> str:
    return text.partition("=")[0].lstrip("-").replace("_", "-") if text.startswith("-") else ""


def _argument(value: Any) -> Any:
    if isinstance(value, str) and _name(value) in OURS:
        refuse(f"`{value.partition('=')[0]}` is set by distctl itself", "remove it")
    return value


def _engine_argument(value: Any) -> Any:
    if isinstance(value, str) and _name(value) in ENGINES_OURS:
        refuse(f"`{value.partition('=')[0]}` is set by distctl itself", "remove it")
    if isinstance(value, str) and (key := KEY_FOR.get(_name(value))):
        refuse(f"`{value.partition('=')[0]}` has a key of its own", f"write runtime: {{{key}: ...}}")
    return value


def _image(text: str) -> str:
    try:
        parse_image(text)
    except ValueError as error:
        refuse(str(error), f"write {NVIDIA}")
    return text


def _python(value: Any) -> Any:
    if isinstance(value, str) and (value in PYTHONS or (value.startswith("/") and "\n" not in value)):
        return value
    return refuse(
        f"`{value}` is no Python for Triton",
        f'write "{PYTHONS[-1]}" to "{PYTHONS[0]}", in quotes, or an interpreter\'s whole path on the node',
    )


def _volume(text: str) -> str:
    parts = text.split(":")
    mode = parts.pop() if parts[-1] in ("ro", "rw") else "ro"
    if not (1 <= len(parts) <= 2 and all(part.startswith("/") for part in parts)):  # noqa: PLR2004
        refuse(f"`{text}` is no volume", "write /PATH, or /PATH:/PLACE, with :ro or :rw at its end")
    source, place = parts[0], parts[-1]
    if "," in text or "\n" in text:
        refuse(f"`{text}` cannot be mounted", "rename the folder: engines read commas as options")
    return f"{source}:{place}:{mode}"


def _limit(value: Any) -> Any:
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    if not re.fullmatch(r"-1|[0-9]+(:[0-9]+)?", text):
        refuse(f"`{value}` is no limit", "write a number, SOFT:HARD, or -1 for none")
    return text


Argument = Annotated[Text, BeforeValidator(_argument)]
EngineArgument = Annotated[Text, BeforeValidator(_engine_argument)]
ImageName = Annotated[Text, AfterValidator(_image)]
PythonName = Annotated[
    str,
    PlainValidator(_python),
    WithJsonSchema({"anyOf": [{"enum": list(PYTHONS)}, {"type": "string", "pattern": "^/"}]}),
]
Volume = Annotated[Text, AfterValidator(_volume)]
_LIMIT_SCHEMA = {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": "^(-1|[0-9]+(:[0-9]+)?)$"}]}
Limit = Annotated[str, BeforeValidator(_limit), WithJsonSchema(_LIMIT_SCHEMA)]


class LoginSection(Section):
    """Who the image's registry knows us as."""

    user: Text = Field(description="the registry's name for us; `$oauthtoken` at nvcr.io")
    password: Secret = Field(description="the password or token")


class RuntimeSection(Section):
    """What the servers of the node run as."""

    kind: Literal["binary", "container", "external"] | None = Field(
        default=None,
        description="binary: distctl runs tritonserver; container: docker or podman does; "
        "external: it runs already and is only routed to",
    )
    path: AbsolutePath | None = Field(
        default=None,
        description="a tritonserver folder on the node; absent: the one of the nvidia-pytriton wheel",
    )
    python: PythonName | None = Field(
        default=None,
        description="the python backend's Python: a version, or an interpreter's path on the node",
    )
    environment: dict[Variable, str] | None = Field(
        default=None, description="added to the server's clean environment, or to the image's"
    )
    arguments: list[Argument] | None = Field(default=None, description="added to tritonserver's command line")
    engine: Literal["docker", "podman"] | None = Field(
        default=None, description="of containers; absent: what the node has, docker before podman"
    )
    image: ImageName | None = Field(default=None, description=f"the container's image ({NVIDIA})")
    login: LoginSection | None = Field(default=None, description="who the image's registry knows us as")
    network: Text | None = Field(
        default=None, description="host, or an engine's network, into which the ports are published (host)"
    )
    ipc: Text | None = Field(default=None, description="the container's IPC mode: private, host, ...")
    shm: Size | None = Field(default=None, description="the container's shared memory (1GiB)")
    ulimits: dict[Text, Limit] | None = Field(
        default=None, description="the container's limits, such as {memlock: -1, stack: 67108864}"
    )
    volumes: list[Volume] | None = Field(
        default=None, description="folders of the node: /PATH, or /PATH:/PLACE, with :ro or :rw at its end"
    )
    engine_arguments: list[EngineArgument] | None = Field(
        default=None, description="added to the engine's `run`"
    )

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        said = [key for key in type(self).model_fields if key != "kind" and getattr(self, key) is not None]
        if self.kind == "container" and (self.python or "").startswith("/"):
            refuse("a container has its image's Python, not the node's", 'write its version: python: "3.10"')
        if self.kind is None or (key := useless(self.kind, said)) is None:
            return self
        if self.kind == "external":
            return refuse(f"an external server is not started, so `{key}` has no effect", "remove it")
        other = "container" if self.kind == "binary" else "binary"
        return refuse(f"`{key}` has no effect with kind: {self.kind}", f"remove it, or write kind: {other}")
