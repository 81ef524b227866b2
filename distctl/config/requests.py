"""The schema of what a model says of its requests: how long they may take, and what they have in common."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator
from typing_extensions import Self

from distctl.cluster.spec import PrefixSpec, RequestTimeouts
from distctl.config.sections import Section
from distctl.config.units import show_duration
from distctl.config.values import Duration, refuse

SHORTEST = 0.001  # seconds: HAProxy counts in milliseconds, and takes 0 for no limit at all
LONGEST_PROMPT = 8192  # bytes: what of a large request is surely there when its server is chosen
_KEY = re.compile(r"header:(?P<header>[A-Za-z0-9-]+)|session|prompt(?::(?P<length>[0-9]{1,5}))?")


class ModelTimeouts(Section):
    """The longest that parts of a request to the model may take."""

    connect: Duration | None = Field(
        default=None, description="a connection to a server; absent: as its link was measured"
    )
    queue: Duration | None = Field(
        default=None,
        description="waiting in the router for a server (30s; 10s with concurrency or queue)",
    )
    first: Duration | None = Field(
        default=None, description="until the answer of a request that is no stream begins; absent: total"
    )
    total: Duration | None = Field(default=None, description="the whole request (10m)")
    idle: Duration | None = Field(default=None, description="silence on a stream; absent: total")

    @model_validator(mode="after")
    def _within_the_total(self) -> Self:
        total = RequestTimeouts().total if self.total is None else self.total
        for word in ("connect", "queue", "first", "total", "idle"):
            seconds = getattr(self, word)
            if seconds is not None and seconds < SHORTEST:
                refuse(f"`{word}` is shorter than 1ms", "a router counts in milliseconds")
            if seconds is not None and seconds > total:
                refuse(
                    f"`{word}` is longer than the total of {show_duration(total)}",
                    f"lower it, or raise total to {show_duration(seconds)} or more",
                )
        return self


def _key(text: str) -> str:
    match = _KEY.fullmatch(text)
    if match is None:
        refuse(f"`{text}` is no key of a prefix", "write header:NAME, prompt, prompt:BYTES or session")
    if match["length"] and not 1 <= int(match["length"]) <= LONGEST_PROMPT:
        refuse(f"a prompt's prefix has 1 to {LONGEST_PROMPT} bytes", "write prompt:256")
    return text


PrefixKey = Annotated[
    str, AfterValidator(_key), WithJsonSchema({"type": "string", "pattern": f"^({_KEY.pattern})$"})
]


class PrefixSection(Section):
    """Which requests belong together on one server, and how much busier than the others it may be."""

    key: PrefixKey = Field(
        default="prompt",
        description="header:NAME, the first BYTES of the prompt (prompt:BYTES, 256), or session",
    )
    bound: Annotated[float, Field(ge=1.01, le=100, allow_inf_nan=False)] = Field(
        default=1.25, description="times the average of requests in flight"
    )


def request_timeouts(said: ModelTimeouts | None) -> RequestTimeouts:
    """The time-outs as the spec keeps them."""
    if said is None:
        return RequestTimeouts()
    return RequestTimeouts(**{key: value for key, value in said.model_dump().items() if value is not None})


def prefix_spec(said: PrefixSection) -> PrefixSpec:
    """The prefix as the spec keeps it."""
    kind, _, detail = said.key.partition(":")
    if kind == "header":
        return PrefixSpec("header", header=detail.lower(), bound=said.bound)
    if kind == "session":
        return PrefixSpec("session", bound=said.bound)
    return PrefixSpec("prompt", length=int(detail or PrefixSpec().length), bound=said.bound)
