"""What those clients ask, and how they know that an answer is right."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from load_connections import Grpc, Http, Wrong

SAMPLES = Path(__file__).parents[1] / "model_repo" / "digits" / "samples"


def digits(random_: random.Random) -> tuple[str, list[dict[str, Any]], dict[str, list[Any]]]:
    """A handwritten digit that the model was not trained with."""
    path = SAMPLES / f"{random_.randrange(10)}.json"
    body = json.loads(path.read_text())
    return "digits", body["inputs"], body["expected"]


def simple(random_: random.Random) -> tuple[str, list[dict[str, Any]], dict[str, list[Any]]]:
    """Sum and difference."""
    a, b = ([random_.randrange(1000) for _ in range(16)] for _ in range(2))
    inputs = [
        {"name": name, "datatype": "INT32", "shape": [1, 16], "data": data}
        for name, data in (("INPUT0", a), ("INPUT1", b))
    ]
    pairs = list(zip(a, b, strict=True))
    return "simple", inputs, {"OUTPUT0": [x + y for x, y in pairs], "OUTPUT1": [x - y for x, y in pairs]}


def slow(random_: random.Random, size: int = 16) -> tuple[str, list[dict[str, Any]], dict[str, list[Any]]]:
    """The same back, after some time."""
    data = [float(random_.randrange(1000))] * size
    inputs = [
        {"name": "INPUT0", "datatype": "FP32", "shape": [1, size], "data": data},
        {"name": "DELAY_MS", "datatype": "INT32", "shape": [1, 1], "data": [random_.randrange(5, 120)]},
    ]
    return "slow", inputs, {"OUTPUT0": data}


def large(random_: random.Random) -> tuple[str, list[dict[str, Any]], dict[str, list[Any]]]:
    """The same with 600 KB: more than a router sends twice."""
    return slow(random_, 150_000)


WHAT: dict[str, Callable[[random.Random], tuple[str, list[dict[str, Any]], dict[str, list[Any]]]]] = {
    "digits": digits,
    "simple": simple,
    "slow": slow,
    "large": large,
}


Ask = Callable[[str, list[dict[str, Any]], dict[str, Any]], dict[str, list[Any]]]


def unary(what: str, ask: Ask, random_: random.Random) -> None:
    """One request and its verification."""
    model, inputs, expected = WHAT[what](random_)
    got = ask(model, inputs, {})
    if any(got.get(name) != values for name, values in expected.items()):
        raise Wrong(f"{str(got)[:200]} instead of {str(expected)[:200]}")


def versioned(ask: Ask, random_: random.Random) -> None:
    """The input plus a number that is one of the versions' own."""
    value = random_.randrange(1_000_000)
    inputs = [{"name": "INPUT0", "datatype": "INT32", "shape": [1, 1], "data": [value]}]
    (got,) = ask("versioned", inputs, {})["OUTPUT0"]
    if got - value not in VERSIONS:
        raise Wrong(f"{got - value} is no version's number")


VERSIONS = {1000, 2000, 3000}


def sequence(ask: Ask, random_: random.Random, pause: float) -> None:
    """A whole sequence: the running sum must be that of all steps, so one server must have seen them."""
    identity, total = random_.randrange(1, 1 << 40), 0
    values = [random_.randrange(100) for _ in range(8)]
    for place, value in enumerate(values):
        total += value
        inputs = [{"name": "INPUT", "datatype": "INT32", "shape": [1, 1], "data": [value]}]
        how = {
            "sequence_id": identity,
            "sequence_start": place == 0,
            "sequence_end": place == len(values) - 1,
        }
        got = ask("simple_sequence", inputs, how)["SUM"]
        if got != [total]:
            raise Wrong(f"the sum of step {place} is {got}, not {total}")
        time.sleep(pause * 5)


def stream(connection: Grpc, random_: random.Random) -> None:
    """Ten numbers, 100 ms apart, each back with its place."""
    values = [random_.randrange(1000) for _ in range(10)]
    inputs = [
        {"name": "IN", "datatype": "INT32", "shape": [10], "data": values},
        {"name": "DELAY", "datatype": "UINT32", "shape": [10], "data": [100] * 10},
        {"name": "WAIT", "datatype": "UINT32", "shape": [1], "data": [0]},
    ]
    got = [(one["IDX"], one["OUT"]) for one in connection.stream("repeat_int32", inputs)]
    if got != [([place], [value]) for place, value in enumerate(values)]:
        raise Wrong(f"{got} instead of {values}")


WORDS: dict[int, list[Any]] = {}


def words(connection: Grpc, random_: random.Random) -> None:
    """Twenty words, 50 ms apart, over a gRPC stream."""
    seed = random_.randrange(5)
    inputs = [{"name": "PROMPT", "datatype": "BYTES", "shape": [1], "data": ["The data"]}]
    numbers = (("MAX_TOKENS", 20), ("TOKEN_MS", 50), ("SEED", seed))
    inputs += [{"name": n, "datatype": "INT32", "shape": [1], "data": [v]} for n, v in numbers]
    check_words(seed, [(one["INDEX"], one["TEXT"]) for one in connection.stream("textgen", inputs)])


def sse(connection: Http, random_: random.Random) -> None:
    """The same as server-sent events."""
    seed = random_.randrange(5)
    body = {"PROMPT": "The data", "MAX_TOKENS": 20, "TOKEN_MS": 50, "SEED": seed}
    with connection.post("textgen/generate_stream", json.dumps(body).encode()) as answer:
        lines = answer.read().splitlines()  # whole: reading line by line takes a cut for the end
    events = [json.loads(line[6:]) for line in lines if line.startswith(b"data: ")]
    check_words(seed, [(one.get("INDEX"), one.get("TEXT")) for one in events])


def check_words(seed: int, got: list[Any]) -> None:
    """They are the same for the same seed, whichever server speaks."""
    if len(got) != 20 or got != WORDS.setdefault(seed, got):
        raise Wrong(f"{got} instead of {WORDS.get(seed)}")


HUGE = 10_000_000  # bytes


def huge(connection: Http, random_: random.Random, pause: float) -> None:
    """Ten megabytes, and the same back, by the binary extension."""
    data = random_.randbytes(1000) * (HUGE // 1000)
    raw = len(data).to_bytes(4, "little") + data
    tensor = {"name": "INPUT0", "datatype": "BYTES", "shape": [1, 1]}
    tensor["parameters"] = {"binary_data_size": len(raw)}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    name = "Inference-Header-Content-Length"
    with connection.post("simple_identity/infer", head + raw, {name: str(len(head))}) as answer:
        got = answer.read()[int(answer.headers[name]) :]
    if got != raw:
        raise Wrong(f"{len(got)} other bytes instead of {len(raw)}")
    time.sleep(pause * 20)


def one_turn(name: str, connection: Any, random_: random.Random, pause: float) -> None:
    """What a client does again and again."""
    what = name.partition(":")[0]
    if what in WHAT:
        unary(what, connection, random_)
    elif what == "versioned":
        versioned(connection, random_)
    elif what in PACED:
        PACED[what](connection, random_, pause)
    else:
        STREAMS[what](connection, random_)


PACED: dict[str, Callable[[Any, random.Random, float], None]] = {
    "sequence": sequence,
    "hops": sequence,
    "huge": huge,
}


STREAMS: dict[str, Callable[[Any, random.Random], None]] = {"stream": stream, "words": words, "sse": sse}
