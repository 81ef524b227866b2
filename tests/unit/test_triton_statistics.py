"""What Triton's statistics say that requests cost: the text of a real answer, shortened."""

from __future__ import annotations

import json

import pytest

from distctl.cluster.snapshot import Service
from distctl.errors import TritonError
from distctl.facts.triton_answers import parse_statistics


def entry(name: str, version: str, count: int, **parts: int) -> dict[str, object]:
    stats = {f"compute_{part}": {"count": count, "ns": ns} for part, ns in parts.items()}
    stats |= {
        "fail": {"count": int(version), "ns": 5},
        "success": {"count": count + 5, "ns": 9_000_000_000},
        "queue": {"count": count, "ns": 7_000_000_000},
    }
    return {"name": name, "version": version, "inference_count": count, "inference_stats": stats}


def test_versions_count_together_and_waiting_and_cached_answers_do_not() -> None:
    entries = [
        entry("digits", "1", 100, input=100_000_000, infer=1_700_000_000, output=200_000_000),
        entry("digits", "2", 100, input=0, infer=4_000_000_000, output=0),
        {"name": "idle", "version": "1"},
    ]
    found = parse_statistics(json.dumps({"model_stats": entries}).encode())
    assert found == {"digits": Service(200, 6.0, waited=14.0, failed=3), "idle": Service()}
    assert (found["digits"].each, found["idle"].each) == (0.03, 0.0)


@pytest.mark.parametrize(
    "text",
    [b"", b"[" * 200_000, b"[]", b'{"error":"not ready"}', b'{"model_stats":[{}]}', b'{"model_stats":[1]}'],
)
def test_anything_else_is_refused(text: bytes) -> None:
    with pytest.raises(TritonError, match="this is no statistics"):
        parse_statistics(text)
