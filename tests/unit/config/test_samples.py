"""The sample inventories are the documentation: they load, fit the JSON Schema, and have every key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from distctl.config import document, json_schema, load
from distctl.errors import InventoryError

FOLDER = Path(__file__).parents[3] / "inventory"
PROD = (FOLDER / "prod.yaml").read_text()


@pytest.mark.parametrize("name", ["prod", "local"])
def test_a_sample_loads_and_fits_the_schema(name: str) -> None:
    file = FOLDER / f"{name}.yaml"
    assert load(file).spec.cluster == name
    jsonschema.Draft202012Validator(json_schema()).validate(document.read(file).value)


def test_the_local_sample_is_two_nodes_behind_one_router() -> None:
    spec = load(FOLDER / "local.yaml").spec
    assert [(s.id.node, s.http_port, s.host) for s in spec.servers] == [
        ("n1", 9000, "127.0.0.1"),
        ("n2", 9100, "127.0.0.1"),
    ]
    router = spec.router("main")
    assert (router.on, router.http_port, router.grpc_port, router.metrics_port) == (
        ("local",),
        8000,
        8001,
        8002,
    )
    assert {model.name: model.replicas for model in spec.models} == {"digits": 2, "simple": 2}


def test_the_schema_is_a_schema_and_refuses_what_is_wrong() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    valid = jsonschema.Draft202012Validator(schema).is_valid
    good = {"version": 1, "cluster": "c", "nodes": {"n": None}}
    assert valid(good)
    assert valid({**good, "servers": {"per": "gpu", "gpus": [0, 1]}})
    assert valid({**good, "servers": {"per": 2, "gpus": [[0, 1], ["MIG-1b", 3]]}})
    for wrong in (
        {"nodez": {}},
        {"version": 2},
        {"ssh": {"user": None}},
        {"ssh": {"password": "x"}},
        {"ssh": {"become": {"password": {"env": "A", "file": "b"}}}},
        {"timeouts": {"start": 120}},
        {"servers": "all"},
        {"servers": {"per": "each"}},
        {"servers": {"gpus": []}},
        {"servers": {"gpus": ["a100"]}},
        {"nodes": {"n": {"adress": "a"}}},
        {"models": {"m": {"source": "s", "policy": "leastload"}}},
        {"models": {"m": {"source": "s", "policy": "prefix", "prefix": {"key": "header:"}}}},
        {"models": {"m": {"source": "s", "policy": "prefix", "prefix": {"bound": 1}}}},
        {"models": {"m": {"source": "s", "timeouts": {"first": 30}}}},
    ):
        assert not valid({**good, **wrong}), wrong


def keys(schema: dict[str, Any]) -> Iterator[str]:
    yield from schema.get("properties", {})
    for value in schema.values():
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                yield from keys(inner)


def test_the_commented_sample_has_every_key_that_works() -> None:
    missing = {key for key in keys(json_schema()) if not re.search(rf"[\s{{#]{key}:", PROD)}
    assert missing == set()


def not_yet() -> list[str]:
    return [
        "models: {m: {source: 's3://b/m'}}",
        "models: {m: {source: 'node:/m', memory: {gpu: 6GiB}}}",
    ]


@pytest.mark.parametrize("text", not_yet())
def test_keys_of_later_versions_are_refused_by_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(f"version: 1\ncluster: c\nnodes: {{n: }}\n{text}\n")
    with pytest.raises(InventoryError, match="not yet in this version") as caught:
        load(file)
    assert caught.value.hint.startswith("today ")
