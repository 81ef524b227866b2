"""Constant verified load: clients of a router that know the right answer to everything they ask.

    with Load(http_port, grpc_port, "digits:http", "digits:grpc", "simple:http*2") as load:
        kill_something()
    load.report.require_whole()

The clients run in two processes beside the tests', one for each protocol, so that neither the suite's own
work nor the other protocol's distorts a latency. Each client is a thread with a connection of its own that
sends real inputs, compares each answer with the known one and pauses. Nothing is sent twice by a client: what
the router does not answer counts as failed. Bounded in time and count; a process whose parent is gone ends.

A client is `WHAT:PROTOCOL[*HOW_MANY]`. WHAT is digits, simple, slow, large (slow with 600 KB), versioned
(either version's answer is right), stream (repeat_int32 over ModelStreamInfer), words (textgen, likewise),
sequence (simple_sequence, whose sum must come from one server), and over REST alone hops (a sequence with a
connection for each step), sse (textgen by generate_stream) or huge (10 MB of simple_identity, binary).
With `patient` clients wait for a connection that nobody takes; what was sent is still never sent again.
With `authority`, a file of PEM, they speak TLS and trust it alone.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import queue
import random
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

PROJECT = Path(__file__).parents[1]
PAUSE = 0.02  # seconds between an answer and the next request of a client
LONGEST_RUN = 240.0  # seconds; a load that nobody ends ends itself
MOST = 200_000  # requests of one process
KEPT = 40  # failures that are told one by one
PEAK = 0.25  # seconds of which only the longest request of each client is kept
PATIENCE = 20.0  # seconds after which an answer that does not come is a failure


@dataclass(frozen=True)
class Slow:
    """One request: when it began (`time.time()`), how long it took, whose it was."""

    at: float
    seconds: float
    client: str


@dataclass(frozen=True)
class Report:
    """What a load has seen."""

    requests: int = 0
    failed: tuple[str, ...] = ()  # when, who, how long, what was said
    wrong: tuple[str, ...] = ()
    slowest: tuple[Slow, ...] = ()  # the longest of each client and quarter of a second
    by_client: dict[str, int] = field(default_factory=dict)

    @property
    def longest(self) -> float:
        """The longest request, in seconds."""
        return self.slowest[0].seconds if self.slowest else 0.0

    def longest_between(self, begin: float, end: float, client: str = "") -> float:
        """The longest request that began, or was under way, between two instants of `time.time()`."""
        return max(
            (
                s.seconds
                for s in self.slowest
                if s.at + s.seconds >= begin and s.at <= end and client in s.client
            ),
            default=0.0,
        )

    def __str__(self) -> str:
        return (
            f"{self.requests} requests, failed {len(self.failed)}, wrong {len(self.wrong)}, "
            f"longest {self.longest:.3f} s"
        )

    def require_whole(self, *, at_least: int = 50) -> None:
        """Fail the test unless every request was answered, and rightly."""
        lines = [str(self), *self.failed[:KEPT], *self.wrong[:KEPT]]
        assert not self.failed, "\n".join(lines)
        assert not self.wrong, "\n".join(lines)
        assert self.requests >= at_least, f"that was no load: {self}"
        idle = [client for client, count in self.by_client.items() if not count]
        assert not idle, f"these clients asked nothing: {idle}"


class Load:
    """Clients that run while the `with` block does; `report` is there afterwards."""

    def __init__(
        self,
        http_port: int,
        grpc_port: int,
        *clients: str,
        host: str = "127.0.0.1",
        pause: float = PAUSE,
        seconds: float = LONGEST_RUN,
        patient: bool = False,
        authority: Path | None = None,
    ) -> None:
        self.report = Report()
        how = {"patient": patient, "authority": str(authority or "")}
        same = {"host": host, "pause": pause, "seconds": seconds, "how": how}
        self._orders = [
            {**same, "port": port, "clients": names}
            for port, names in (
                (http_port, [c for c in _spread(clients) if ":http" in c]),
                (grpc_port, [c for c in _spread(clients) if ":grpc" in c]),
            )
            if names
        ]
        self._workers: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Load:
        for order in self._orders:
            words = [sys.executable, str(Path(__file__)), json.dumps(order)]
            pipe = subprocess.PIPE
            self._workers.append(subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True))
        for worker in self._workers:
            assert worker.stdout is not None
            first = worker.stdout.readline()
            if first.strip() != "ready":
                self._end()
                raise AssertionError(f"the load did not begin: {first}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        found = self._end()
        self.report = Report(
            requests=sum(f["requests"] for f in found),
            failed=tuple(text for f in found for text in f["failed"]),
            wrong=tuple(text for f in found for text in f["wrong"]),
            slowest=tuple(sorted((Slow(*s) for f in found for s in f["slowest"]), key=lambda s: -s.seconds)),
            by_client={k: v for f in found for k, v in f["by_client"].items()},
        )
        print(f"load: {self.report}")
        if kind is not None and (self.report.failed or self.report.wrong):
            print("\n".join([*self.report.failed[:KEPT], *self.report.wrong[:KEPT]]))

    def _end(self) -> list[dict[str, Any]]:
        for worker in self._workers:
            assert worker.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                worker.stdin.close()
        found = []
        for worker in self._workers:
            assert worker.stdout is not None
            with worker.stdout as stdout:
                text = stdout.read()
            if worker.wait(timeout=60) == 0 and text.strip():
                found.append(json.loads(text.splitlines()[-1]))
        ended, self._workers = len(self._workers), []
        assert len(found) == ended, "a process of the load died"
        return found


def _spread(clients: Sequence[str]) -> Iterator[str]:
    for client in clients:
        name, _, times = client.partition("*")
        for number in range(int(times or 1)):
            yield f"{name}#{number}"


# --- the other side: one process with all clients of one protocol ---------------------------------------


class Wrong(Exception):
    """An answer came, and it is not the right one."""


@dataclass
class Tally:
    """What one process has seen."""

    requests: int = 0
    failed: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    peaks: dict[tuple[str, int], tuple[float, float, str]] = field(default_factory=dict)
    by_client: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, client: str, at: float, seconds: float, failed: str = "", wrong: str = "") -> None:
        """Note one request."""
        with self.lock:
            self.requests += 1
            self.by_client[client] += 1
            clock = f"{time.strftime('%H:%M:%S', time.localtime(at))}.{int(at % 1 * 1000):03d}"
            said = f"{clock} {client} {seconds:.3f} s: "
            if failed:
                self.failed.append(said + failed)
            if wrong:
                self.wrong.append(said + wrong)
            place = (client, int(at / PEAK))
            if place not in self.peaks or self.peaks[place][1] < seconds:
                self.peaks[place] = (at, seconds, client)


def digits(random_: random.Random) -> tuple[str, list[dict[str, Any]], dict[str, list[Any]]]:
    """A handwritten digit that the model was not trained with."""
    path = PROJECT / "model_repo" / "digits" / "samples" / f"{random_.randrange(10)}.json"
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


class Http:
    """One kept connection, opened again after a failure; `hops`: one for each request."""

    def __init__(
        self, host: str, port: int, *, patient: bool = False, authority: str = "", hops: bool = False
    ) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
        if authority:
            trust = ssl.create_default_context(cafile=authority)
            self._connection = http.client.HTTPSConnection(host, port, timeout=PATIENCE, context=trust)
        self._patient, self._hops = patient, hops

    def __call__(self, model: str, inputs: list[dict[str, Any]], how: dict[str, Any]) -> dict[str, list[Any]]:
        body = json.dumps({"inputs": inputs, **({"parameters": how} if how else {})})
        with self.post(f"{model}/infer", body.encode()) as answer:
            return {output["name"]: output["data"] for output in json.load(answer)["outputs"]}

    @contextlib.contextmanager
    def post(
        self, path: str, body: bytes, headers: dict[str, str] | None = None
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer to one request; whatever goes wrong with it ends the connection."""
        try:
            self._connect()
            self._connection.request("POST", f"/v2/models/{path}", body, headers or {})
            answer = self._connection.getresponse()
            _require_success(answer)
            yield answer
            answer.read()  # to the end, so that the connection can be used again
        except BaseException:
            self.close()
            raise
        if self._hops:
            self.close()

    def _connect(self) -> None:
        until = time.monotonic() + PATIENCE
        while self._patient and self._connection.sock is None:
            try:
                self._connection.connect()
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _require_success(answer: http.client.HTTPResponse) -> None:
    if answer.status != 200:
        raise RuntimeError(f"{answer.status}: {answer.read(300).decode(errors='replace')}")


SERVICE = {"methodConfig": [{"name": [{}], "waitForReady": True}]}
PATIENT = [
    ("grpc.service_config", json.dumps(SERVICE)),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 200),
]


class Grpc:
    """One channel, as tritonclient keeps it."""

    def __init__(self, host: str, port: int, *, patient: bool = False, authority: str = "") -> None:
        import tritonclient.grpc as client

        self._client = client
        self._url = f"{host}:{port}"
        # A channel of its own for each client: gRPC else shares one connection between equal channels.
        options: list[tuple[str, Any]] = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        options += PATIENT if patient else []
        self._connection = client.InferenceServerClient(
            self._url, channel_args=options, ssl=bool(authority), root_certificates=authority or None
        )

    def __call__(self, model: str, inputs: list[dict[str, Any]], how: dict[str, Any]) -> dict[str, list[Any]]:
        result = self._connection.infer(model, self.tensors(inputs), client_timeout=PATIENCE, **how)
        return self.outputs(result)

    def stream(self, model: str, inputs: list[dict[str, Any]]) -> list[dict[str, list[Any]]]:
        """All responses of one request over a stream of its own."""
        answers: queue.Queue[Any] = queue.Queue()
        self._connection.start_stream(partial(_answered, answers))
        try:
            self._connection.async_stream_infer(model, self.tensors(inputs), enable_empty_final_response=True)
            found = []
            while True:
                answer = answers.get(timeout=PATIENCE)
                if isinstance(answer, Exception):
                    raise answer
                response = answer.get_response()
                if response.outputs:
                    found.append(self.outputs(answer))
                if response.parameters["triton_final_response"].bool_param:
                    return found
        finally:
            self._connection.stop_stream()

    def tensors(self, inputs: list[dict[str, Any]]) -> list[Any]:
        """Inputs as tritonclient takes them."""
        import numpy as np
        from tritonclient.utils import triton_to_np_dtype

        found = []
        for item in inputs:
            kind = triton_to_np_dtype(item["datatype"])
            data = [v.encode() for v in item["data"]] if kind is np.object_ else item["data"]
            found.append(self._client.InferInput(item["name"], item["shape"], item["datatype"]))
            found[-1].set_data_from_numpy(np.array(data, dtype=kind).reshape(item["shape"]))
        return found

    def outputs(self, result: Any) -> dict[str, list[Any]]:
        """Outputs by name, flat."""
        return {o.name: result.as_numpy(o.name).ravel().tolist() for o in result.get_response().outputs}


def _answered(answers: queue.Queue[Any], result: Any, error: Any) -> None:
    answers.put(error or result)


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
        events = [json.loads(line[6:]) for line in answer if line.startswith(b"data: ")]
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


def connect(name: str, order: dict[str, Any]) -> Http | Grpc:
    """A client's connection."""
    if ":grpc" in name:
        return Grpc(order["host"], order["port"], **(order.get("how") or {"patient": order["patient"]}))
    return Http(
        order["host"],
        order["port"],
        hops=name.startswith("hops"),
        **(order.get("how") or {"patient": order["patient"]}),
    )


def client(name: str, order: dict[str, Any], tally: Tally, stop: threading.Event, began: Any) -> None:
    """One client until the end."""
    connection = connect(name, order)
    random_ = random.Random(name)
    first = True
    while not stop.is_set() and tally.requests < MOST:
        at, begun, failed, wrong = time.time(), time.monotonic(), "", ""
        try:
            one_turn(name, connection, random_, order["pause"])
        except Wrong as error:
            wrong = str(error)
        except Exception as error:  # whatever a client meets is a failure to be told
            failed = f"{type(error).__name__}: {error}"[:300]
        tally.take(name, at, time.monotonic() - begun, failed, wrong)
        if first:
            first = False
            began.wait(PATIENCE)
        stop.wait(order["pause"])


def main(order: dict[str, Any]) -> None:
    """Run all clients of one protocol until standard input ends."""
    tally, stop = Tally(by_client=dict.fromkeys(order["clients"], 0)), threading.Event()
    began = threading.Barrier(len(order["clients"]) + 1)
    threads = [
        threading.Thread(target=client, args=(name, order, tally, stop, began), daemon=True)
        for name in order["clients"]
    ]
    for thread in threads:
        thread.start()
    began.wait(PATIENCE)
    print("ready", flush=True)
    watcher = threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True)
    watcher.start()
    stop.wait(order["seconds"])
    stop.set()
    for thread in threads:
        thread.join(PATIENCE)
    found = {k: getattr(tally, k) for k in ("requests", "failed", "wrong", "by_client")}
    print(json.dumps({**found, "slowest": list(tally.peaks.values())}), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
