"""The models that the fault tests stand on do what those tests rely on."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest


def numbers(name: str = "INPUT0", datatype: str = "FP32") -> dict[str, Any]:
    """A tensor of two numbers."""
    return {"name": name, "datatype": datatype, "shape": [1, 2], "data": [1, 2]}


def slow(delay_ms: int) -> dict[str, Any]:
    """A request that is answered after a delay."""
    return {
        "inputs": [numbers(), {"name": "DELAY_MS", "datatype": "INT32", "shape": [1, 1], "data": [delay_ms]}]
    }


def test_slow_answers_after_the_delay_and_many_at_once(triton) -> None:
    started = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: triton.infer("slow", slow(800)), range(8)))
    assert answers == [{"OUTPUT0": [1.0, 2.0]}] * 8
    assert 0.8 <= time.monotonic() - started < 4  # one after the other they take 6.4 s


def test_slow_has_a_delay_of_its_own(triton) -> None:
    started = time.monotonic()
    assert triton.infer("slow", {"inputs": [numbers()]}) == {"OUTPUT0": [1.0, 2.0]}
    assert time.monotonic() - started >= 0.2


def test_an_unload_waits_for_what_is_in_flight(triton) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(triton.infer, "slow", slow(1500))
        time.sleep(0.3)
        assert triton.unload("slow") == {}
        assert waiting.result(timeout=30) == {"OUTPUT0": [1.0, 2.0]}
    assert triton.load("slow") == {}


def test_slowload_is_seen_loading_before_it_is_ready(triton) -> None:
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(triton.load, "slowload")
        time.sleep(1.5)
        assert triton.state("slowload")[0] == "LOADING"
        assert loading.result(timeout=60) == {}
    assert triton.state("slowload") == ("READY", "")
    assert triton.infer("slowload", {"inputs": [numbers()]}) == {"OUTPUT0": [1.0, 2.0]}


def test_broken_says_why_it_does_not_load(triton) -> None:
    assert "weights are damaged" in triton.load("broken")["error"]
    state, reason = triton.state("broken")
    assert state == "UNAVAILABLE"
    assert "weights are damaged: expected 4096 bytes, found 17" in reason


@pytest.mark.parametrize(("version", "answer"), [("1", [1001, 1002]), ("2", [2001, 2002])])
def test_versioned_tells_which_version_answered(triton, version, answer) -> None:
    body = {"inputs": [numbers(datatype="INT32")]}
    reply = triton.post(f"v2/models/versioned/versions/{version}/infer", body)
    assert reply["outputs"][0]["data"] == answer
