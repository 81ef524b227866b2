"""The sequence models behave as NVIDIA's client examples expect, and remember what each sequence said."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tritonclient.utils import InferenceServerException

VALUES = [11, 7, 5, 3, 2, 0, 1]


def steps(values: list[int], identity: int | str) -> list[dict[str, Any]]:
    """A whole sequence as v2 requests."""
    return [
        {
            "inputs": [{"name": "INPUT", "datatype": "INT32", "shape": [1, 1], "data": [value]}],
            "parameters": {
                "sequence_id": identity,
                "sequence_start": place == 0,
                "sequence_end": place == len(values) - 1,
            },
        }
        for place, value in enumerate(values)
    ]


def flat(answers: list[dict[str, list[Any]]], name: str) -> list[Any]:
    """One output of several answers, joined."""
    return [value for answer in answers for value in answer[name]]


@pytest.mark.parametrize("identity", [4001, "a-sequence-with-a-name"])
def test_simple_sequence_adds_one_at_the_start_and_remembers_the_sum(ask, identity) -> None:
    answers = [ask("simple_sequence", step) for step in steps(VALUES, identity)]
    assert flat(answers, "OUTPUT") == [12, *VALUES[1:]]
    assert flat(answers, "SUM") == [sum(VALUES[: n + 1]) for n in range(len(VALUES))]


def test_sequences_side_by_side_do_not_mix(triton) -> None:
    """Interleaved over HTTP, each by another id."""
    ones = steps([1] * 6, 4101)
    tens = steps([10] * 6, 4102)
    sums = [
        (triton.infer("simple_sequence", a)["SUM"][0], triton.infer("simple_sequence", b)["SUM"][0])
        for a, b in zip(ones, tens, strict=True)
    ]
    assert sums == [(n, 10 * n) for n in range(1, 7)]


def test_a_sequence_over_a_stream_is_answered_in_order(stream) -> None:
    assert flat(stream("simple_sequence", *steps(VALUES, 4201)), "SUM") == [11, 18, 23, 26, 28, 28, 29]


def test_an_id_used_again_starts_from_nothing(ask) -> None:
    for _ in range(2):
        assert [ask("simple_sequence", s)["SUM"] for s in steps([5, 6], 4301)] == [[5], [11]]


@pytest.mark.parametrize("model", ["simple_sequence", "simple_dyna_sequence", "simple_string_dyna_sequence"])
def test_a_sequence_that_never_started_here_is_refused(ask, model) -> None:
    """What a client sees when a router sends a step to a server that lacks the sequence."""
    with pytest.raises(InferenceServerException, match="must specify the START flag"):
        ask(model, steps([1, 2, 3], 4401)[1])


def test_the_dynamic_sequence_adds_its_id_at_the_end(ask) -> None:
    answers = [ask("simple_dyna_sequence", step) for step in steps(VALUES, 1000)]
    assert flat(answers, "OUTPUT") == [12, 7, 5, 3, 2, 0, 1 + 1000]


def test_the_dynamic_sequence_with_a_string_id_accumulates_and_adds_its_id_at_the_end(ask) -> None:
    answers = [ask("simple_string_dyna_sequence", step) for step in steps([20, -11, -7], "1002")]
    assert flat(answers, "OUTPUT") == [20, 9, 2 + 1002]


def test_a_string_id_that_is_no_number_only_accumulates(ask) -> None:
    answers = [ask("simple_string_dyna_sequence", step) for step in steps([20, -11, -7], "patient-7")]
    assert flat(answers, "OUTPUT") == [20, 9, 2]


@pytest.mark.parametrize(
    ("model", "output"), [("simple_sequence", "SUM"), ("simple_string_dyna_sequence", "OUTPUT")]
)
def test_eight_sequences_at_once_keep_their_own_sums(triton, model, output) -> None:
    """As many as the batch has places: Triton fills the idle ones with requests that are not ready."""

    def whole(number: int) -> list[int]:
        answers = [triton.infer(model, step) for step in steps([number] * 20, f"side-by-side-{number}")]
        return [answer[output][0] for answer in answers]

    with ThreadPoolExecutor(8) as pool:
        sums = list(pool.map(whole, range(1, 9)))
    assert sums == [[number * n for n in range(1, 21)] for number in range(1, 9)]
