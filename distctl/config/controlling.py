"""The schema of `controller`: what it serves over HTTP, and where."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from distctl.cluster.names import Endpoint
from distctl.config.sections import Section
from distctl.config.values import address_problem, refuse
from distctl.errors import InputError

LISTEN = r"^(\[[0-9A-Fa-f:.]+\]|[^\[\]:\s]+):([0-9]{1,5})$"
HINT = "write HOST:PORT such as 127.0.0.1:8090, an IPv6 address in brackets"


def _problem(text: str) -> tuple[str, str] | None:
    found = re.fullmatch(LISTEN, text)
    if found is None or not 1 <= int(found[2]) <= 65535:  # noqa: PLR2004 - the largest port
        return f"`{text}` is no place to listen on", HINT
    return address_problem(found[1].strip("[]"))


def _listen(text: str) -> str:
    if problem := _problem(text):
        refuse(*problem)
    return text


Listen = Annotated[str, AfterValidator(_listen), WithJsonSchema({"type": "string", "pattern": LISTEN})]


class ControllerSection(Section):
    """What the controller serves over HTTP."""

    listen: Listen | None = Field(
        default=None,
        description="where: metrics, service discovery and a page to look at; absent: nowhere",
    )


def endpoint(text: str) -> Endpoint:
    """A place to listen on. Raises InputError for one that is none."""
    if problem := _problem(text):
        raise InputError(problem[0], hint=problem[1])
    host, _, port = text.rpartition(":")
    return Endpoint(host.strip("[]"), int(port))


def listen(said: ControllerSection | None) -> Endpoint | None:
    """Where the controller is to listen, None for nowhere."""
    return endpoint(said.listen) if said and said.listen else None
