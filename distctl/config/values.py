"""The small values that the schema is made of: each checks itself and says what to write instead.

Every one raises a PydanticCustomError whose context carries the hint; `schema.py` turns those into problems.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, NoReturn

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from distctl.config import units

LONGEST_TIMEOUT = 7 * 86400.0  # seconds; HAProxy itself ends at 24 days
LONGEST_NAME = 63
LOOPBACK = "127.0.0.1"
LOCAL = "local"  # the place of a router that is this machine: no node's name

NODE_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
MODEL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_LABEL_KEY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_./-]*[A-Za-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_HOP = re.compile(r"(?:(?P<user>[^\s@:]+)@)?(?P<host>\[[^\[\]]+\]|[^\s@:\[\]]+)(?::(?P<port>[0-9]{1,5}))?")


def refuse(message: str, hint: str = "") -> NoReturn:
    """Raise the error that pydantic carries out to `schema.py`. Braces would be read as its template."""
    raise PydanticCustomError("distctl", "{message}", {"message": message, "hint": hint})


def is_node_name(name: str) -> bool:
    """Whether a name is safe in paths, units, HAProxy's names and host lists alike."""
    return len(name) <= LONGEST_NAME and NODE_NAME.fullmatch(name) is not None


def name_hint(name: str) -> str:
    """What to write instead of a name that is not allowed."""
    better = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")[:LONGEST_NAME]
    rule = "lower-case letters, digits and -, at most 63"
    return f"{rule}: `{better}`" if better and better != name else rule


def address_problem(text: str) -> tuple[str, str] | None:
    """What is wrong with a hostname or IP address, and the hint; None if it can be one."""
    if "@" in text:
        return "the user does not belong into the address", "write ssh: {user: ...}"
    if text.startswith("["):
        return f"`{text}` is no address", "write an IPv6 address without brackets"
    if "/" in text:
        return f"`{text}` is no address", "write a hostname or an IP address, without scheme, path or mask"
    try:
        ipaddress.ip_address(text)
    except ValueError:
        if re.fullmatch(r"[^:]+:[0-9]+", text):
            return (
                "the port does not belong into the address",
                "write ssh: {port: ...} or servers: {ports: ...}",
            )
        numeric = re.fullmatch(r"[0-9.]+", text)
        if numeric or len(text) > 253 or not _HOST.fullmatch(text) or ".." in text:  # noqa: PLR2004 - RFC 1035
            return (
                f"`{text}` is no hostname and no IP address",
                "write 10.0.1.11, fd00::11 or gpu01.example.com",
            )
    return None


def _host(text: str) -> str:
    if problem := address_problem(text):
        refuse(*problem)
    return text


def _hop(text: str) -> str:
    match = _HOP.fullmatch(text)
    if match is None or text.startswith("-") or int(match["port"] or 22) not in range(1, 65536):
        refuse(f"`{text}` is no hop", "write [user@]host[:port], an IPv6 address in brackets")
    return text


def _duration(value: Any) -> float:
    hint = "write a number with its unit: 500ms, 10s, 2m, 1h30m"
    if not isinstance(value, str):
        refuse("a duration needs a unit", hint)
    try:
        seconds = units.duration(value)
    except ValueError:
        refuse(f"`{value}` is no duration", hint)
    if not 0 < seconds <= LONGEST_TIMEOUT:
        refuse(f"`{value}` is out of bounds", "longer than nothing, at most 7d")
    return seconds


def _size(value: Any) -> int:
    hint = "write a number with its unit: 64KiB, 1MiB"
    if not isinstance(value, str):
        refuse("a size needs a unit", hint)
    try:
        return units.size(value)
    except ValueError:
        decimal = re.fullmatch(r"([0-9]+) *([kKMGT])i?[bB]?", value)
        better = f"write {decimal[1]}{decimal[2].upper()}iB" if decimal else hint
        refuse(f"`{value}` is no size", better)


def label_key_problem(text: str) -> tuple[str, str] | None:
    """What is wrong with a label's name, and the hint; None if it can be one."""
    if _LABEL_KEY.fullmatch(text) and len(text) <= LONGEST_NAME:
        return None
    return f"`{text}` is no label name", "letters, digits, -, _, . and /, at most 63"


def _label_key(text: str) -> str:
    if problem := label_key_problem(text):
        refuse(*problem)
    return text


def _variable(text: str) -> str:
    if not _VARIABLE.fullmatch(text):
        refuse(f"`{text}` is no name of an environment variable", "letters, digits and _, no digit first")
    return text


def _absolute(text: str) -> str:
    if not text.startswith("/") or "\n" in text:
        refuse(f"`{text}` is no absolute path", "write the whole path on the node, from /")
    return text


def _filled(text: str) -> str:
    if not text.strip():
        refuse("must not be empty", "remove the key or give it a value")
    return text


def _user(text: str) -> str:
    if not re.fullmatch(r"[^\s@:/-][^\s@:/]*", text):
        refuse(f"`{text}` is no user name")
    return text


def _source(text: str) -> str:
    if text.startswith("node:") and not text.startswith("node:/"):
        refuse(f"`{text}` is no absolute path", "write node:/path")
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        refuse(f"`{text.partition('://')[0]}://` is no known source", "write a folder here, or node:/path")
    return _filled(text)


def _cluster(text: str) -> str:
    if not is_node_name(text):
        refuse(f"`{text}` is no cluster name", name_hint(text))
    return text


Text = Annotated[str, AfterValidator(_filled)]
Host = Annotated[str, AfterValidator(_host)]
Hop = Annotated[str, AfterValidator(_hop)]
ModelSource = Annotated[str, AfterValidator(_source)]
Interface = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$")]  # as Linux names them
User = Annotated[str, AfterValidator(_user)]
AbsolutePath = Annotated[str, AfterValidator(_absolute), Field(pattern="^/")]
ClusterName = Annotated[
    str, AfterValidator(_cluster), WithJsonSchema({"type": "string", "pattern": "^[a-z0-9][a-z0-9-]*$"})
]
LabelKey = Annotated[str, AfterValidator(_label_key)]
Variable = Annotated[str, AfterValidator(_variable)]
Port = Annotated[int, Field(ge=1, le=65535)]
FirstPort = Annotated[int, Field(ge=1, le=65533)]
Duration = Annotated[
    float, BeforeValidator(_duration), WithJsonSchema({"type": "string", "pattern": units.DURATION})
]
Size = Annotated[int, BeforeValidator(_size), WithJsonSchema({"type": "string", "pattern": units.SIZE})]
