"""Real inputs that lie beside a model, so that `distctl infer MODEL` can ask what has a known answer.

A model folder may hold `samples/*.json`. Each file is a request as KServe's v2 protocol writes it, so that
`curl -d @FILE` sends it as it is, with two keys more, which Triton ignores:

    {"about": "a handwritten 3", "inputs": [...], "expected": {"DIGIT": [3]}}

Triton takes folders with a number for versions and leaves `samples` alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distctl.errors import InputError

FOLDER = "samples"

_KINDS = {list: "list", dict: "object", str: "text"}
_SHAPE = '{"about": "...", "inputs": [...], "expected": {"OUTPUT": [...]}}'


@dataclass(frozen=True, slots=True)
class Sample:
    """One real request for a model, and the answer that is right.

    `name` is the file's name without `.json`; `about` says in words what it is, empty if it does not.
    `request` is the body of a v2 inference request. `expected` has for each output that can be told
    beforehand its values, flat and in order; of a streaming model, those of all its responses joined.
    """

    name: str
    about: str
    request: Mapping[str, Any]
    expected: Mapping[str, list[Any]]


def samples(folder: Path) -> tuple[Sample, ...]:
    """All samples of the model folder, by name; empty when it has none.

    Raises InputError for a file that is not a sample.
    """
    return tuple(_read(path) for path in sorted((folder / FOLDER).glob("*.json")))


def _read(path: Path) -> Sample:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise InputError(f"{path}: not a sample: {problem}") from problem
    if not isinstance(body, dict):
        raise InputError(f"{path}: not a sample: no JSON object")
    for key, kind, absent in (("inputs", list, None), ("expected", dict, {}), ("about", str, "")):
        if not isinstance(body.get(key, absent), kind):
            raise InputError(f"{path}: not a sample: `{key}` is no {_KINDS[kind]}", hint=_SHAPE)
    request = {key: value for key, value in body.items() if key not in ("about", "expected")}
    return Sample(path.stem, body.get("about", ""), request, body.get("expected", {}))


def flat(data: Sequence[Any]) -> list[Any]:
    """A tensor's data, nested or not, as one list."""
    found: list[Any] = []
    for item in data:
        found.extend(flat(item) if isinstance(item, list) else [item])
    return found
