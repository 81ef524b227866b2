"""The schema applied: a tree in, problems out in words a user can act on; and as JSON Schema."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import ErrorDetails, core_schema

from distctl.config.models import InventorySection
from distctl.config.problems import Path, Problem, did_you_mean
from distctl.config.scaling import FORMS

UNKNOWN = "unknown key"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def validate(tree: Mapping[str, Any]) -> tuple[InventorySection | None, list[Problem]]:
    """The tree as the schema's classes, or the problems that it has with them."""
    try:
        return InventorySection.model_validate(tree), []
    except ValidationError as exc:
        return None, [_problem(details, tree) for details in exc.errors(include_url=False)]


def _problem(details: ErrorDetails, tree: Mapping[str, Any]) -> Problem:
    path = tuple(part for part in details["loc"] if part not in ("[key]", *FORMS))
    kind, context, found = details["type"], details.get("ctx", {}), details["input"]
    if kind == "distctl":
        return Problem(path, context["message"], context["hint"])
    if kind == "extra_forbidden":
        return _unknown(path)
    if kind == "missing":
        return Problem(path[:-1], f"`{path[-1]}` is missing", _missing_hint(path))
    if kind == "literal_error":
        return _choice(path, found, _options(context["expected"]))
    words = _WORDS.get(kind)
    if words is None:
        return Problem(path, details["msg"])
    message, hint = words(found, context)
    return Problem(path, message, hint)


def _choice(path: Path, found: Any, options: list[str]) -> Problem:
    hint = f"allowed: {', '.join(options)}"
    if isinstance(found, str):
        hint = (
            did_you_mean(found, options, what="allowed")
            if found not in options
            else f"{hint}, without quotes"
        )
    return Problem(path, f"{_shown(found)} is not allowed here", hint)


def _unknown(path: Path) -> Problem:
    key = str(path[-1])
    known = list(_fields(path[:-1]))
    hint = did_you_mean(key, known)
    if not hint.startswith("did you mean") and (home := _home(key, path[:-1])):
        hint = f"it belongs under `{home}`"
    return Problem(path, UNKNOWN, hint)


def _missing_hint(path: Path) -> str:
    return {
        "version": "begin the file with `version: 1`",
        "cluster": "name the cluster: `cluster: prod`",
        "nodes": "list the machines: `nodes: {gpu01: {address: 10.0.1.11}}`",
        "source": "name the model's folder: `source: ../model_repo/digits`",
        "max": "say how many at most: `replicas: {min: 1, max: 4}`",
        "cron": "say when: `cron: 0 8 * * 1-5`",
        "on": "say where it runs: `on: [local]`, or names of nodes",
        "certificate": "name the PEM file with the chain: `certificate: tls/prod.crt`",
        "key": "say where the private key is: `key: {file: tls/prod.key}`",
        "url": "write `url: postgresql://user@host/database`",
    }.get(str(path[-1]), "")


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return f"`{value[:40]}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else "nothing"


def _kind(value: Any) -> str:
    return "text" if isinstance(value, str) else _shown(value)


def _text(value: Any, _: Mapping[str, Any]) -> tuple[str, str]:
    if isinstance(value, (bool, int, float)):
        return f"must be text, found {_shown(value)}", f'write "{str(value).lower()}" in quotes'
    return f"must be text, found {_kind(value)}", ""


def _must(what: str, hint: str = "") -> Callable[[Any, Mapping[str, Any]], tuple[str, str]]:
    return lambda value, _: (
        f"must be {what}, found {_shown(value) if what != 'a mapping' else _kind(value)}",
        hint,
    )


def _list(value: Any, _: Mapping[str, Any]) -> tuple[str, str]:
    if value == "none":
        return "must be a list, found text", "write [] for none"
    if isinstance(value, str) and re.fullmatch(r"[\w.@-]+", value):
        return "must be a list, found text", f"write [{value}]"
    return f"must be a list, found {_kind(value)}", "write [ONE, TWO], also for a single one"


def _bound(word: str, key: str, better: str) -> Callable[[Any, Mapping[str, Any]], tuple[str, str]]:
    return lambda value, context: (
        f"must be {word} {context[key]}, found {value}",
        f"write a {better} number",
    )


def _too_short(value: Any, _: Mapping[str, Any]) -> tuple[str, str]:
    return "must not be empty", "give it at least one entry"


_WORDS: dict[str, Callable[[Any, Mapping[str, Any]], tuple[str, str]]] = {
    "string_type": _text,
    "int_type": _must("a whole number", "write it without quotes, point or unit"),
    "int_from_float": _must("a whole number"),
    "float_type": _must("a number", "write it without quotes or unit"),
    "finite_number": _must("a number"),
    "bool_type": _must("true or false"),
    "list_type": _list,
    "dict_type": _must("a mapping", "write {key: value}"),
    "model_type": _must("a mapping", "write {key: value}"),
    "model_attributes_type": _must("a mapping", "write {key: value}"),
    "greater_than_equal": _bound("at least", "ge", "larger"),
    "less_than_equal": _bound("at most", "le", "smaller"),
    "too_short": _too_short,
    "string_pattern_mismatch": _must("an absolute path", "write the whole path, from /"),
}


def _options(expected: str) -> list[str]:
    return [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]


def _fields(path: Path) -> dict[str, Any]:
    """The keys that the schema knows at a place, with their types."""
    kind: Any = InventorySection
    for part in path:
        kind = _inner(kind, part)
    section = _section(kind)
    return {name: field.annotation for name, field in section.model_fields.items()} if section else {}


def _inner(kind: Any, part: str | int) -> Any:
    if section := _section(kind):
        field = section.model_fields.get(str(part))
        return field.annotation if field else None
    for option in _options_of(kind):
        if typing.get_origin(option) in (dict, list):
            return typing.get_args(option)[-1]
    return None


def _section(kind: Any) -> type[BaseModel] | None:
    for option in _options_of(kind):
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None


def _options_of(kind: Any) -> Iterator[Any]:
    if typing.get_origin(kind) is typing.Annotated:
        yield from _options_of(typing.get_args(kind)[0])
    elif typing.get_origin(kind) in (typing.Union, types.UnionType):
        for option in typing.get_args(kind):
            yield from _options_of(option)
    else:
        yield kind


def _home(key: str, path: Path) -> str:
    """The section at this place that has the key, for one written a level too high."""
    for name, annotation in _fields(path).items():
        section = _section(annotation)
        if section and key in section.model_fields:
            return name
    return ""


class _Generator(GenerateJsonSchema):
    """Pydantic's generator without null: an absent key is absent, only a node or a group may be empty."""

    schema_dialect = DIALECT

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default") is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the inventory, for editors; the reader itself is stricter."""
    schema = InventorySection.model_json_schema(schema_generator=_Generator)
    for section in ("nodes", "groups"):
        place = schema["properties"][section]
        place["additionalProperties"] = {"anyOf": [place["additionalProperties"], {"type": "null"}]}
    return {"$schema": DIALECT, **schema}
