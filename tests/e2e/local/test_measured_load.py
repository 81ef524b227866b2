"""`bench` measures what happens: its counts are the servers' own, and every way of failing is told."""

from __future__ import annotations

import json
import signal
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from local_cluster import LocalCluster, local_cluster, wait_until

QUICK = ("--duration", "1s", "--warmup", "200ms")
FEW = ("--requests", "30", "--warmup", "0s")
TOKENS = 6


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with local_cluster(models={"simple": 2, "textgen": 1, "simple_sequence": 1}) as cluster:
        cluster.up()
        yield cluster


def answered(cluster: LocalCluster, model: str = "simple") -> dict[str, int]:
    """How many requests each node's Triton has answered well, by its own count."""
    found = {}
    for number, node in enumerate(cluster.nodes):
        url = f"http://127.0.0.1:{cluster.ports['http'] + 10 * (number + 1)}/v2/models/{model}/stats"
        with urllib.request.urlopen(url, timeout=5) as answer:
            statistics = json.load(answer)["model_stats"][0]["inference_stats"]
        found[node] = statistics["success"]["count"]
    return found


def check(step: dict[str, Any]) -> None:
    """The figures of a step fit one another."""
    assert step["failed"] == 0, step["errors"]
    assert step["whole"]
    latency = step["latency_ms"]
    assert 0 < latency["min"] <= latency["p50"] <= latency["p90"] <= latency["p95"] <= latency["p99"]
    assert latency["p99"] <= latency["max"] < 10_000
    assert sum(step["histogram_ms"].values()) == step["requests"]
    assert step["requests_per_second"] == pytest.approx(step["requests"] / step["seconds"], rel=1e-3)
    assert 0 < step["generator"]["cores"] < 2


@pytest.mark.parametrize("protocol", ["http", "grpc", "stream"])
def test_every_request_that_is_reported_was_answered_by_a_server(
    cluster: LocalCluster, protocol: str
) -> None:
    before = answered(cluster)
    found = cluster.json(
        *("bench", "simple", "--protocol", protocol, "--concurrency", "1,3"),
        *("--requests", "60", "--warmup", "0s"),
    )
    after = answered(cluster)
    assert [step["level"] for step in found["steps"]] == [1, 3]
    for step in found["steps"]:
        check(step)
    assert sum(step["requests"] for step in found["steps"]) == 120
    assert sum(after.values()) - sum(before.values()) == 120
    assert all(after[node] > before[node] for node in cluster.nodes)


def test_a_document_says_what_was_measured_where_and_with_what(cluster: LocalCluster) -> None:
    found = cluster.json("bench", "simple", *FEW, "-b", "4")
    assert found["kind"] == "bench"
    assert found["exit_code"] == 0
    assert found["target"]["endpoint"] == f"127.0.0.1:{cluster.ports['http']}"
    assert found["target"]["server"].startswith("triton 2.")
    assert {"cores", "python"} <= set(found["machine"])
    assert {"distctl", "tritonclient"} <= set(found["versions"])
    assert found["batch"] == 4
    check(found["steps"][0])


def test_a_stream_has_a_first_answer_and_a_rate_of_answers(cluster: LocalCluster) -> None:
    file = cluster.folder / "words.json"
    tensors = [("PROMPT", "BYTES", "The"), ("MAX_TOKENS", "INT32", TOKENS), ("TOKEN_MS", "INT32", 10)]
    inputs = [{"name": n, "datatype": kind, "shape": [1], "data": [value]} for n, kind, value in tensors]
    file.write_text(json.dumps({"inputs": inputs}))
    words = ("bench", "textgen", "--protocol", "stream", "--input", str(file), "--concurrency", "4", *QUICK)
    (step,) = cluster.json(*words)["steps"]
    check(step)
    assert step["answers"] == TOKENS * step["requests"]
    # The other words come 10 ms apart after the first.
    assert step["latency_ms"]["min"] - step["first_answer_ms"]["min"] > (TOKENS - 2) * 10


@pytest.mark.parametrize("protocol", ["http", "stream"])
def test_each_request_to_a_model_with_state_is_a_sequence_of_its_own(
    cluster: LocalCluster, protocol: str
) -> None:
    words = ("--protocol", protocol, "--concurrency", "4", "--requests", "40", "--warmup", "0s")
    (step,) = cluster.json("bench", "simple_sequence", *words)["steps"]
    check(step)
    assert step["requests"] == 40


def test_an_open_loop_keeps_its_rate_and_is_drawn(cluster: LocalCluster) -> None:
    picture = cluster.folder / "load.png"
    found = cluster.json(
        "bench", "simple", "--rate", "40,80", *QUICK, "--arrivals", "constant", "--plot", str(picture)
    )
    for step, rate in zip(found["steps"], (40, 80), strict=True):
        check(step)
        assert step["requests"] == rate
        assert step["requests_per_second"] == pytest.approx(rate, rel=0.2)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 5_000


def test_one_server_can_be_asked_past_the_router(cluster: LocalCluster) -> None:
    before = answered(cluster)
    cluster.run("bench", "simple", "--direct", "n2/0", "--requests", "20", "--warmup", "0s")
    after = answered(cluster)
    assert {node: after[node] - before[node] for node in after} == {"n1": 0, "n2": 20}


def test_an_address_is_asked_without_an_inventory_and_with_made_up_data(cluster: LocalCluster) -> None:
    url = f"127.0.0.1:{cluster.ports['grpc']}"
    ran = cluster.run("bench", "simple", "-i", "/nowhere.yaml", "--url", url, "--protocol", "grpc", *FEW)
    assert "made up from the model's configuration" in ran.err
    assert "1 client" in ran.out


def test_ctrl_c_prints_what_was_measured_so_far(cluster: LocalCluster) -> None:
    before = sum(answered(cluster).values())
    words = ("--concurrency", "1,2", "--duration", "30s", "--warmup", "0s", "-o", "json")
    with cluster.begin("bench", "simple", *words) as process:
        wait_until(lambda: sum(answered(cluster).values()) > before, "the measurement begins")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    found = json.loads(out)
    assert process.returncode == found["exit_code"] == 130
    assert "what was measured stands above" in err
    assert "Traceback" not in err
    (step,) = found["steps"]
    assert not step["whole"]
    assert step["requests"] > 0
    assert step["failed"] == 0


def test_failures_are_counted_by_kind_and_end_with_1(cluster: LocalCluster) -> None:
    """Triton refuses the shape; the router passes on what it says."""
    file = cluster.folder / "wrong.json"
    tensor = {"datatype": "INT32", "shape": [1, 3], "data": [1, 2, 3]}
    file.write_text(json.dumps({"inputs": [{"name": name, **tensor} for name in ("INPUT0", "INPUT1")]}))
    for protocol, kind in (("http", "HTTP 400"), ("grpc", "gRPC INVALID_ARGUMENT")):
        words = ("bench", "simple", "--protocol", protocol, "--input", str(file), "--requests", "5")
        found = cluster.json(*words, "--warmup", "0s", check=1)
        (error,) = found["steps"][0]["errors"]
        assert (error["kind"], error["count"]) == (kind, 5)
        assert "unexpected shape" in error["example"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nobody",), 2, "there is no model 'nobody'"),
        (("simple", "--shape", "INPUT0:3"), 2, "simple wants INPUT0 as [16], not [3]"),
        (("simple", "--direct", "n7"), 2, "there is no server 'n7'"),
        (("textgen",), 2, "--protocol stream"),
    ],
    ids=lambda value: value[0] + value[-1] if isinstance(value, tuple) else None,
)
def test_what_cannot_be_measured_is_refused_in_one_line(
    cluster: LocalCluster, words: tuple[str, ...], code: int, said: str
) -> None:
    ran = cluster.run("bench", *words, check=code)
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert not ran.out


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_a_dead_address_is_told_at_once(cluster: LocalCluster, protocol: str) -> None:
    nobody = f"127.0.0.1:{cluster.ports['http'] + 39}"
    ran = cluster.run("bench", "simple", "--url", nobody, "--protocol", protocol, check=1, timeout=20)
    assert f"simple at {nobody}" in ran.err
    assert "Traceback" not in ran.err
