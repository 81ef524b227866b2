"""Clients that are slow, idle, too large or malformed: the router serves the others all the same."""

from __future__ import annotations

import contextlib
import random
import resource
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from router_clients import repeated, rest, unary
from router_harness import Router, StandIn, wait_for
from test_router_tls import OLD, trusting
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as rpc

from distctl.cluster.router import Tls
from distctl.cluster.spec import Limits

Make = Callable[..., Router]
MEGABYTE = 1024 * 1024


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def memory(router: Router) -> int:
    """What the worker holds resident, in bytes."""
    status = Path(f"/proc/{router.look().pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def connect(router: Router, first: bytes = b"") -> socket.socket:
    stream = socket.create_connection(("127.0.0.1", router.view.http_port), timeout=10)
    try:
        stream.sendall(first)
    except ConnectionError:
        stream.close()
        raise
    return stream


def gone(stream: socket.socket) -> bytes | None:
    """What came before the router hung up; None while it has not."""
    stream.settimeout(0.0)
    try:
        parts = []
        while part := stream.recv(4096):
            parts.append(part)
        return b"".join(parts)
    except BlockingIOError:
        return None
    except ConnectionResetError:
        return b""


@pytest.mark.usefixtures("many_descriptors")
def test_slow_clients_are_cut_and_idle_ones_cost_nobody_anything(make_router: Make) -> None:
    """Two hundred that never finish their headers or bodies, a thousand that say nothing."""
    router = make_router(limits=Limits(upload=2.0))
    router.apply()
    halves = (b"POST /v2/models/digits/infer HTTP/1.1\r\nhost: x\r\nx-a: ", b"POST /v2/mod")
    body = b"POST /v2/models/digits/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{"
    before = memory(router)
    idle = [connect(router) for _ in range(1000)]
    began = time.monotonic()
    slow = [connect(router, [*halves, body, body][number % 4]) for number in range(200)]
    try:
        with repeated(4, lambda: rest(router), pause=0.01) as answers:
            drip = slow[0]
            wait_for(
                lambda: all(gone(stream) is not None for stream in slow[1:]), "slow clients to be cut", 12.0
            )
            took = time.monotonic() - began
            drip.settimeout(5)
        assert {a.status for a in answers} == {200}
        assert took < 8.0
        more = (memory(router) - before) / MEGABYTE
        print(f"cut after {took:.1f} s; {more:.1f} MB more; {len(answers)} served")
    finally:
        for stream in (*idle, *slow):
            stream.close()
    assert rest(router).status == 200


def announced(router: Router, header: str) -> int:
    """The status that a request gets before any of its body was sent."""
    head = f"POST /v2/models/digits/infer HTTP/1.1\r\nhost: x\r\n{header}\r\n\r\n"
    with connect(router, head.encode()) as stream:
        return int(stream.recv(4096).split()[1])


def test_limits_of_size_are_kept_in_both_protocols(make_router: Make) -> None:
    router = make_router(limits=Limits(body=100_000, headers=4096))
    router.apply()
    assert router.infer(body=b"x" * 100_000)[0] == 200
    assert announced(router, "content-length: 100001") == 413
    assert announced(router, "transfer-encoding: chunked") == 411
    assert router.infer(x_long="y" * 3000)[0] == 200
    assert router.infer(x_long="y" * 5000) == (
        431,
        {"error": "the headers are larger than this router takes"},
    )
    with grpc.insecure_channel(router.grpc) as channel:
        stub = rpc.GRPCInferenceServiceStub(channel)
        assert stub.ModelInfer(pb.ModelInferRequest(model_name="digits", raw_input_contents=[b"x" * 90_000]))
        with pytest.raises(grpc.RpcError) as refused:
            stub.ModelInfer(pb.ModelInferRequest(model_name="digits", raw_input_contents=[b"x" * 200_000]))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert refused.value.details() == "the request is larger than this router takes"
        assert unary(stub, x_long="y" * 5000).status == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]


def test_one_address_holds_only_so_many_connections(make_router: Make) -> None:
    """Unfinished handshakes too: nothing else would end them before a stream's idle time."""
    tls = Tls(OLD.pem, OLD.key)
    router = make_router(limits=Limits(connections=20), tls=tls)
    router.apply()
    held = []
    for _ in range(30):
        with contextlib.suppress(ConnectionResetError):  # hung up on before `connect` has returned
            held.append(connect(router))
    late = 30 - len(held)
    for stream in held:
        with contextlib.suppress(ConnectionError):
            stream.send(b"\x16\x03\x01")  # the beginning of a handshake
    wait_for(lambda: late + sum(gone(stream) is not None for stream in held) == 10, "ten to be hung up on")
    for stream in held:
        stream.close()

    def served() -> bool:
        with contextlib.suppress(OSError):
            return rest(router, context=trusting()).status == 200
        return False

    wait_for(served, "room again")


CONTROL = (
    "repository/index",
    "repository/models/digits/load",
    "systemsharedmemory/status",
    "trace/setting",
    "logging",
)
TRICKS = (
    "/",
    "//",
    "/./",
    "/%2e/",
    "/x/../",
    "/%2e%2e/",
    "/models/..//",
    "/%2E/%2f",
    "/;/",
    "/\\",
    "/%5c",
    "/%00",
    "/ ",
)


METHODS = ("GET", "GET", "POST", "POST", "PUT", "PRI", "CONNECT")
VERSIONS = ("1.1", "1.1", "1.1", "1.1", "1.0", "2.0", "9")
ENDS = ("", "/", "?a", "#", "/.")


def wild_path(dice: random.Random) -> str:
    """A path of Triton's control, written in some odd way."""
    word = dice.choice(CONTROL)
    if dice.random() < 0.4:
        at = dice.randrange(len(word))
        word = f"{word[:at]}%{ord(word[at]):02{dice.choice('xX')}}{word[at + 1 :]}"
    if dice.random() < 0.2:
        word = "".join(c.upper() if dice.random() < 0.3 else c for c in word)
    folder = dice.choice(("", "models/digits/"))
    return f"{dice.choice(TRICKS)}v2{dice.choice(TRICKS)}{folder}{word}{dice.choice(ENDS)}"


def wild_request(dice: random.Random) -> bytes:
    """An HTTP/1.1 request with some of it odd, cut or contradictory."""
    odd = (
        "content-length: -1",
        "content-length: 5, 6",
        "transfer-encoding: xchunked",
        "transfer-encoding: chunked",
        "x: \x00",
        "content-length: 99999999999999999999",
        "x-api-key: " + "k" * dice.randrange(5000),
        "content-type: application/grpc",
        "expect: 100-continue",
        "connection: upgrade\r\nupgrade: h2c",
        ": y",
        "host: a\r\nhost: b",
        "inference-header-content-length: 0",
    )
    lines = [
        f"{dice.choice(METHODS)} {wild_path(dice)} HTTP/{dice.choice(VERSIONS)}",
        "host: x",
        *dice.sample(odd, dice.randrange(3)),
    ]
    whole = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + dice.randbytes(dice.randrange(200))
    return whole[: dice.randrange(len(whole))] if dice.random() < 0.3 else whole


def test_odd_requests_pass_no_control_and_bring_nothing_down(router: Router, servers: list[StandIn]) -> None:
    """HTTP/1.1, bytes that are no HTTP, and gRPC with bodies that are no protobuf: always the same ones."""
    dice = random.Random(20240613)
    pid = router.look().pid
    _odd_rounds(router, dice, 150)
    before = memory(router)
    statuses = _odd_rounds(router, dice, 1200)
    with grpc.insecure_channel(router.grpc) as channel:
        codes = Counter(_odd_message(channel, dice) for _ in range(300))
    assert memory(router) - before < 8 * MEGABYTE
    assert router.look().pid == pid
    assert {path for stand_in in servers for path in stand_in.control()} == set()
    print(statuses, codes)
    assert {"400", "403", "404"} <= statuses.keys() and "200" not in statuses
    assert {"NOT_FOUND", "PERMISSION_DENIED", "UNIMPLEMENTED"} <= codes.keys()
    assert router.infer()[0] == 200


def _odd_rounds(router: Router, dice: random.Random, rounds: int) -> Counter[str]:
    """How often each status came; "" where the router hung up without a word."""
    found: Counter[str] = Counter()
    for _ in range(rounds):
        with connect(router, wild_request(dice)) as stream:
            stream.shutdown(socket.SHUT_WR)
            stream.settimeout(5)
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while part := stream.recv(65536):
                    answer += part
            found[answer[9:12].decode()] += 1
    return found


def _odd_message(channel: grpc.Channel, dice: random.Random) -> str:
    method = dice.choice(("ModelInfer", "ModelReady", "RepositoryModelLoad", "TraceSetting", "Nothing"))
    body = dice.choice(
        (b"", b"\x0a\x06digits", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x06dig")
    ) + dice.randbytes(dice.randrange(300))
    try:
        channel.unary_unary(f"/inference.GRPCInferenceService/{method}")(body, timeout=2)
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


def test_two_requests_in_one_are_never_taken_for_one(router: Router, servers: list[StandIn]) -> None:
    """Length and chunks that contradict each other are how a request is smuggled past a router."""
    inner = b"POST /v2/repository/models/digits/load HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
    for extra in (
        b"content-length: 4\r\ntransfer-encoding: chunked",
        b"transfer-encoding: chunked\r\ncontent-length: 4",
        b"transfer-encoding: chunked, identity",
        b"content-length: 4\r\ncontent-length: 5",
    ):
        head = b"POST /v2/models/digits/infer HTTP/1.1\r\nhost: x\r\n" + extra + b"\r\n\r\n"
        with connect(router, head + b"0\r\n\r\n" + inner) as stream:
            stream.shutdown(socket.SHUT_WR)
            stream.settimeout(5)
            while stream.recv(65536):
                pass
    assert all(stand_in.control() == [] for stand_in in servers)
