"""Counts follow demand on real servers under verified load, and a model that sleeps answers whoever asks."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import numpy as np
import pytest
import tritonclient.grpc as triton
from controlled import Controller
from local_cluster import LocalCluster, local_cluster, wait_until

Figure = Callable[[str], None]
CLIENTS = 50
LOADS = 1.0  # seconds that the model's own initialisation takes
# Seconds the same for one client: 0.3 to 0.5 once the pass that unloaded it is over, 1.6 while it goes on.
# How quick it is, `benchmarks waking` says.
ALONE = 3.0
MOST = 5.0  # seconds from zero to the first answer beyond Triton's own load, where others use the cores too


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    quick = {"stable": "6s", "panic": "2s", "down_after": "4s"}
    busy = {"replicas": {"min": 1, "max": 3}, "autoscale": {"rps": 40, **quick}}
    sleepy = {"replicas": {"min": 0, "max": 2}, "autoscale": {"concurrency": 100, "idle": "6s", **quick}}
    with local_cluster(nodes=3, models={"digits": busy, "slowload": sleepy}) as cluster:
        config = cluster.model("slowload") / "config.pbtxt"
        config.write_text(config.read_text().replace('"5"', f'"{LOADS:g}"'))
        cluster.up()
        yield cluster


@pytest.fixture
def controller(cluster: LocalCluster) -> Iterator[Controller]:
    with Controller(cluster) as found:
        yield found


def count(cluster: LocalCluster, model: str) -> int:
    """The replicas that serve now."""
    return next(m["observed"]["serving"] for m in cluster.json("status")["models"] if m["model"] == model)


def by_http(cluster: LocalCluster, number: int) -> float:
    """One request and its right answer; when that came."""
    values = [float(number), 0.5]
    tensor = {"name": "INPUT0", "shape": [1, 2], "datatype": "FP32", "data": values}
    connection = http.client.HTTPConnection("127.0.0.1", cluster.ports["http"], timeout=60)
    connection.request("POST", "/v2/models/slowload/infer", json.dumps({"inputs": [tensor]}))
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body
    assert json.loads(body)["outputs"][0]["data"] == values
    connection.close()
    return time.monotonic()


def by_grpc(cluster: LocalCluster, number: int) -> float:
    """As `by_http`."""
    values = np.array([[number, 0.5]], dtype=np.float32)
    tensor = triton.InferInput("INPUT0", [1, 2], "FP32")
    tensor.set_data_from_numpy(values)
    with triton.InferenceServerClient(f"127.0.0.1:{cluster.ports['grpc']}") as client:
        answer = client.infer("slowload", [tensor], client_timeout=60).as_numpy("OUTPUT0")
    assert answer is not None and answer.tolist() == values.tolist()
    return time.monotonic()


def own_load(cluster: LocalCluster, model: str) -> float:
    """The seconds that Triton itself says it took to load a model, the last time that one did."""
    log = "".join((cluster.root(node) / "units/server-0/log").read_text() for node in cluster.nodes)
    begun, ended = (
        datetime.strptime(re.findall(rf"I\d{{4}} (\S+) .*{said}", log)[-1], "%H:%M:%S.%f")
        for said in (f"loading: {model}:1", f"successfully loaded '{model}'")
    )
    return (ended - begun).total_seconds() % 86_400


def test_the_count_follows_the_load_up_and_down_and_nothing_fails(
    cluster: LocalCluster, controller: Controller, figure: Figure
) -> None:
    with cluster.load("digits:http", "digits:grpc", pause=0.1) as few:  # one replica is enough for them
        with cluster.load("digits:http*4", "digits:grpc*4") as many:
            begun = time.monotonic()
            wait_until(lambda: count(cluster, "digits") == 3, "three replicas under load", 40)
            figure(f"from 1 to 3 replicas {time.monotonic() - begun:.1f} s after the load began")
        many.report.require_whole()
        wait_until(lambda: count(cluster, "digits") < 3, "fewer once the load is gone", 40)
    few.report.require_whole()
    wait_until(lambda: count(cluster, "digits") == 1, "one without load", 60)
    found = next(m for m in cluster.json("status")["models"] if m["model"] == "digits")
    assert found["intent"]["range"] == "1 to 3" and found["intent"]["since"] is not None
    assert any("each 40 a second" in said for said in controller.said("decision"))


def test_a_model_at_zero_answers_fifty_clients_at_once(
    cluster: LocalCluster, controller: Controller, figure: Figure
) -> None:
    wait_until(lambda: count(cluster, "slowload") == 0, "the model sleeps", 40)
    asks = [(by_http, by_grpc)[number % 2] for number in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        begun = time.monotonic()
        futures = [pool.submit(ask, cluster, number) for number, ask in enumerate(asks)]
        came = sorted(future.result() - begun for future in futures)
    own = own_load(cluster, "slowload")
    figure(f"from zero, {CLIENTS} clients at once: first answer {came[0]:.2f} s, last {came[-1]:.2f} s;")
    figure(f"Triton's own load of that model: {own:.2f} s, so {came[0] - own:.2f} s beyond it")
    wait_until(lambda: count(cluster, "slowload") == 0, "it sleeps again", 40)
    begun = time.monotonic()
    alone = by_http(cluster, 1) - begun - own_load(cluster, "slowload")
    figure(f"from zero, one client: first answer {alone:.2f} s beyond Triton's own load")
    assert alone < ALONE
    assert any("slowload" in said and "first server" in said for said in controller.said("decision"))
    assert came[0] < own + MOST
