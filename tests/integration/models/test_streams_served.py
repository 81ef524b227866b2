"""The decoupled models stream: one response a word or number, at the pace that was asked for."""

from __future__ import annotations

import json
import queue
import time
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from tritonclient.utils import InferenceServerException


def prompt(text: str, **numbers: int) -> dict[str, Any]:
    """A request for text."""
    inputs = [{"name": "PROMPT", "datatype": "BYTES", "shape": [1], "data": [text]}]
    inputs += [{"name": k, "datatype": "INT32", "shape": [1], "data": [v]} for k, v in numbers.items()]
    return {"inputs": inputs}


def words(responses: list[dict[str, list[Any]]]) -> list[str]:
    """The words of a stream."""
    return [response["TEXT"][0] for response in responses]


def test_a_stream_has_as_many_words_as_were_asked_for_and_counts_them(stream) -> None:
    responses = stream("textgen", prompt("The data", MAX_TOKENS=100, TOKEN_MS=0))
    assert [response["INDEX"][0] for response in responses] == list(range(100))
    assert all(words(responses))


def test_the_same_prompt_and_seed_give_the_same_text_and_another_seed_another(stream) -> None:
    """So a client can verify each word, whichever server spoke it."""
    first, again, other = (
        words(stream("textgen", prompt("The data", MAX_TOKENS=40, TOKEN_MS=0, SEED=seed)))
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_what_is_not_said_is_taken_from_the_models_configuration(stream) -> None:
    assert len(stream("textgen", prompt("The data"))) == 32


def test_no_words_are_a_stream_too(stream) -> None:
    assert stream("textgen", prompt("The data", MAX_TOKENS=0)) == []


def test_words_come_one_by_one_at_the_pace_that_was_asked_for(triton) -> None:
    """Over generate_stream: each event stands on the wire before the next word is due."""
    body = {"PROMPT": "The data", "MAX_TOKENS": 10, "TOKEN_MS": 50}
    came = []
    with triton.open("v2/models/textgen/generate_stream", body) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        for line in answer:
            if line.startswith(b"data: "):
                came.append((time.monotonic(), json.loads(line[6:])["INDEX"]))
    assert [index for _, index in came] == list(range(10))
    assert came[-1][0] - came[0][0] > 0.3
    assert max(b - a for (a, _), (b, _) in pairwise(came)) < 0.4


def test_generate_answers_with_one_word(triton) -> None:
    answer = triton.post("v2/models/textgen/generate", {"PROMPT": "The data", "MAX_TOKENS": 1})
    assert answer["INDEX"] == 0
    assert answer["TEXT"]


def test_streams_run_side_by_side(stream) -> None:
    started = time.monotonic()
    requests = [prompt("The data", MAX_TOKENS=20, TOKEN_MS=50, SEED=seed) for seed in range(8)]
    responses = stream("textgen", *requests)
    assert len(responses) == 160
    assert time.monotonic() - started < 4  # one after the other they take 8 s


def test_a_client_that_leaves_ends_its_stream_and_nobody_elses(grpc, stream, tensors) -> None:
    answers: queue.Queue[Any] = queue.Queue()
    grpc.start_stream(partial(lambda result, error: answers.put(error or result)))
    grpc.async_stream_infer("textgen", tensors(prompt("The data", MAX_TOKENS=10_000, TOKEN_MS=20)))
    answers.get(timeout=30)
    grpc.stop_stream(cancel_requests=True)
    assert len(stream("textgen", prompt("The data", MAX_TOKENS=5))) == 5


@pytest.mark.parametrize("numbers", [{"MAX_TOKENS": -1}, {"MAX_TOKENS": 100_001}, {"TOKEN_MS": -1}])
def test_impossible_wishes_are_refused_in_words(stream, numbers) -> None:
    with pytest.raises(InferenceServerException, match="MAX_TOKENS takes 0 to 100000"):
        stream("textgen", prompt("The data", **numbers))


def numbers(values: list[int], delays: list[int]) -> dict[str, Any]:
    """A request for repeat_int32."""
    return {
        "inputs": [
            {"name": "IN", "datatype": "INT32", "shape": [len(values)], "data": values},
            {"name": "DELAY", "datatype": "UINT32", "shape": [len(delays)], "data": delays},
            {"name": "WAIT", "datatype": "UINT32", "shape": [1], "data": [0]},
        ]
    }


def test_repeat_gives_each_number_back_with_its_place(stream) -> None:
    responses = stream("repeat_int32", numbers([7, -3, 5], [1, 1, 1]))
    assert responses == [{"OUT": [7], "IDX": [0]}, {"OUT": [-3], "IDX": [1]}, {"OUT": [5], "IDX": [2]}]


def test_repeat_over_generate_stream_sends_one_event_a_number(triton) -> None:
    with triton.open(
        "v2/models/repeat_int32/generate_stream", {"IN": [4, 2], "DELAY": [0, 0], "WAIT": 0}
    ) as a:
        events = [json.loads(line[6:]) for line in a if line.startswith(b"data: ")]
    assert [(event["IDX"], event["OUT"]) for event in events] == [(0, 4), (1, 2)]


def test_repeat_refuses_delays_that_do_not_fit(stream) -> None:
    with pytest.raises(InferenceServerException, match="IN has 2 elements and DELAY 1"):
        stream("repeat_int32", numbers([1, 2], [0]))
