"""From zero to the first answer, beside the time that Triton itself takes to load the model."""

from __future__ import annotations

import json
import re
import time
import urllib.request
from contextlib import closing
from datetime import datetime

from benchmarks.cluster import LocalCluster, local_cluster
from benchmarks.controlled import Controller
from benchmarks.work import Aim, Section, Work, median, say, spread

AIM = 0.5  # seconds beside Triton's own load
SLEEPY = "replicas: {min: 0, max: 1}, autoscale: {idle: 3s, stable: 6s, panic: 2s, down_after: 2s}"
FLOATS = [float(number) for number in range(16)]


def run(work: Work) -> list[Section]:
    """One request to a model that sleeps, once a round."""
    section = Section(
        "waking",
        "From zero to the first answer",
        "A model of two Tritons on this machine sleeps, and one HTTP request comes. Load: what Triton's own "
        "log says of that load. Beside it: the rest of the time until the right answer is there.",
        ["rounds", "first answer after, s", "Triton's own load, s", "beside it, s"],
    )
    answers, loads = [], []
    with local_cluster(work.folder / "cluster", counts=SLEEPY) as cluster:
        controller = Controller(cluster, work.folder / "controller.jsonl")
        with closing(controller):
            for _ in range(work.rounds):
                _asleep(cluster)
                answers.append(_answered(cluster))
                loads.append(_own_load(cluster))
                say(f"first answer after {answers[-1]:.2f} s, loaded in {loads[-1]:.2f} s")
    beside = [answer - load for answer, load in zip(answers, loads, strict=True)]
    section.rows.append([str(work.rounds), spread(answers, 2), spread(loads, 2), spread(beside, 2)])
    section.aims.append(
        Aim("from zero: seconds beside Triton's own load, median", AIM, round(median(beside), 2))
    )
    section.figures["wake_s"] = round(median(beside), 2)
    section.notes.append(
        "What it is made of: a router is asked each 0.1 s whether it holds requests; nodes are looked at, "
        "and those that change are claimed; the router's file and its check; 0.1 s between two tries of what "
        "is held."
    )
    return [section]


def _asleep(cluster: LocalCluster, seconds: float = 60.0) -> None:
    """Wait until no Triton has the model, and what took it away is over. Raises RuntimeError."""
    until = time.monotonic() + seconds
    while _loaded(cluster) > 0:
        if time.monotonic() > until:
            raise RuntimeError(f"the model did not go to sleep in {seconds:g} s")
        time.sleep(0.2)
    time.sleep(2.0)


def _loaded(cluster: LocalCluster) -> int:
    models = json.loads(cluster.cli("status", "-o", "json"))["models"]
    return int(next(m["observed"]["serving"] for m in models if m["model"] == "floats"))


def _answered(cluster: LocalCluster) -> float:
    """Seconds until one request is answered rightly. Raises RuntimeError."""
    tensor = {"name": "INPUT0", "shape": [16], "datatype": "FP32", "data": FLOATS}
    url = f"http://127.0.0.1:{cluster.router[0]}/v2/models/floats/infer"
    request = urllib.request.Request(url, json.dumps({"inputs": [tensor]}).encode())
    begun = time.monotonic()
    with urllib.request.urlopen(request, timeout=60) as answer:
        said = json.load(answer)
    if said["outputs"][0]["data"] != FLOATS:
        raise RuntimeError(f"a wrong answer: {said}")
    return time.monotonic() - begun


def _own_load(cluster: LocalCluster) -> float:
    """Seconds of the last load, by Triton's own log."""
    logs = (cluster.folder / "nodes" / "bench").glob("*/units/server-0/log")
    loads: list[tuple[datetime, float]] = []
    for log in logs:
        text = log.read_text()
        begun = re.findall(r"I\d{4} (\S+) .*loading: floats:1", text)
        ended = re.findall(r"I\d{4} (\S+) .*successfully loaded 'floats'", text)
        if begun and ended:
            first, last = (datetime.strptime(found[-1], "%H:%M:%S.%f") for found in (begun, ended))
            loads.append((last, (last - first).total_seconds() % 86_400))
    if not loads:
        raise RuntimeError("no Triton says that it loaded the model")
    return max(loads)[1]
