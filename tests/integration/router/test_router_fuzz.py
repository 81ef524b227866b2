"""HTTP/2, messages of gRPC and JSON that are cut, changed or lie: HAProxy stays up, quick and no larger.

What is odd in HTTP/1.1 and its paths is in test_router_abuse.
"""

from __future__ import annotations

import contextlib
import random
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from raw_h2 import SERVICE, call, field, prefixed, varint
from router_harness import Router, StandIn
from test_router_abuse import MEGABYTE, connect, memory
from tritonclient.grpc import service_pb2 as pb

from distctl.cluster.router import Pool
from distctl.cluster.spec import Limits, PrefixSpec

Make = Callable[..., Router]
BLOCKED = 0.5  # seconds for which nobody may hold up the others; Lua's own limit would be a second
METHODS = ("ModelInfer", "ModelInfer", "ModelStreamInfer", "ModelReady", "ModelConfig", "ServerReady")
CONTROL = (
    "RepositoryModelLoad",
    "RepositoryIndex",
    "SystemSharedMemoryStatus",
    "CudaSharedMemoryRegister",
    "TraceSetting",
    "LogSettings",
)
LENGTHS = (-11, -1, 0, 1, 127, 1 << 20, (1 << 31) - 1, 1 << 32, (1 << 63) - 1, -(1 << 63))


@pytest.fixture
def every(make_router: Make) -> Router:
    """A router that reads all of a request that any policy reads."""
    made = make_router(limits=Limits(upload=1.0, body=MEGABYTE))
    digits, seq = made.view.pools
    pools = (
        Pool("digits", digits.slots),
        Pool("prompts", digits.slots, policy="prefix", prefix=PrefixSpec(key="prompt", length=16)),
        Pool("seq", seq.slots, replay=False),
        Pool("sums", seq.slots, policy="sequence", replay=False),
    )
    made.view = replace(made.view, pools=pools)
    made.apply()
    return made


def wild_message(dice: random.Random) -> bytes:
    """A ModelInferRequest of which some is odd."""
    request = pb.ModelInferRequest(model_name=dice.choice(("digits", "prompts", "sums", "seq", "none", "")))
    request.parameters["sequence_id"].int64_param = dice.randrange(-5, 1 << 60)
    request.parameters["sequence_start"].bool_param = True
    request.inputs.add(name="PROMPT", datatype="BYTES", shape=[1]).contents.bytes_contents.append(b"The data")
    request.raw_input_contents.append(dice.randbytes(dice.randrange(300)))
    whole = request.SerializeToString()
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: whole,
        lambda: whole[: dice.randrange(len(whole) + 1)],
        lambda: flipped(whole, dice),
        lambda: whole + field(dice.randrange(1, 9), b"", dice.choice(LENGTHS)),
        lambda: field(4, field(1, b"sequence_id") + field(2, b"\x10", dice.choice(LENGTHS))) + whole,
        lambda: whole + varint(dice.randrange(64)) + dice.randbytes(40),
        lambda: whole * dice.randrange(2, 20),
    )
    return dice.choice(ways)()


def flipped(content: bytes, dice: random.Random, most: int = 8) -> bytes:
    """The same with some bytes changed."""
    changed = bytearray(content)
    for _ in range(dice.randrange(1, most)):
        changed[dice.randrange(len(changed))] = dice.randrange(256)
    return bytes(changed)


def wild_path(dice: random.Random) -> str:
    """A method of the service, or of its control, written in some odd way."""
    word = dice.choice((*METHODS, *CONTROL))
    tricks = ("", "/", "%2f", "/.", "/../inference.GRPCInferenceService/", "//", "%00", "?", ";", "#")
    return dice.choice((SERVICE, SERVICE, SERVICE, "/" + SERVICE, SERVICE.upper())) + dice.choice(
        (word, word, word + dice.choice(tricks), dice.choice(tricks) + word)
    )


def wild_call(dice: random.Random) -> bytes:
    """All that a gRPC client sends, with its message, its lengths or its frames odd, cut or changed."""
    message = wild_message(dice)
    length = dice.choice((None, None, None, 0, 5, 1 << 20, (1 << 32) - 1))
    bodies = [prefixed(message, length), *(prefixed(wild_message(dice)) for _ in range(dice.randrange(2)))]
    headers = {"x_request_id": "r" * dice.randrange(200), "x_api_key": "k" * dice.choice((0, 5, 3000))}
    whole = call(wild_path(dice), *bodies, **headers)
    fate = dice.random()
    if fate < 0.2:
        return whole[: dice.randrange(24, len(whole))]
    return whole[:24] + flipped(whole[24:], dice) if fate < 0.4 else whole


def wild_rest(dice: random.Random) -> bytes:
    """An inference over REST whose JSON is odd or cut, or whose binary part is not where it is said to be."""
    parts = (
        b'{"parameters":{',
        b'"sequence_id":',
        b'"sequence_id":"',
        b"9" * 400,
        b'"text_input":"',
        b"[" * 500,
    )
    more = (
        b'"data":[[[',
        b'"BYTES"',
        b'"id":"',
        b'\\"',
        b"}}}",
        b'"sequence_start":true',
        b"\0",
        b"\xff" * 9,
    )
    body = b"".join(dice.choice((*parts, *more)) for _ in range(dice.randrange(40)))
    said = dice.choice(("0", "1", "-7", "99999", "1e9", "1e400", "0x10", "9" * 30, "5.5"))
    model = dice.choice(("digits", "prompts", "sums", "seq"))
    length = dice.choice((len(body), len(body), len(body) + 50))
    head = f"POST /v2/models/{model}/{dice.choice(('infer', 'generate', 'generate_stream'))} HTTP/1.1\r\n"
    head += f"host: x\r\ninference-header-content-length: {said}\r\ncontent-length: {length}\r\n\r\n"
    return head.encode() + body


def send(router: Router, whole: bytes) -> bytes:
    """Everything that came back until the router hung up, or said nothing any more."""
    answer = b""
    with connect(router) as stream, contextlib.suppress(ConnectionError, TimeoutError):
        stream.sendall(whole)
        stream.shutdown(socket.SHUT_WR)
        stream.settimeout(3)
        while part := stream.recv(65536):
            answer += part
    return answer


def rounds(
    router: Router, dice: random.Random, make: Callable[[random.Random], bytes], count: int
) -> Counter[str]:
    """How often the router answered, or hung up without a word; it answers others quickly after each ten."""
    found: Counter[str] = Counter()
    for number in range(count):
        found["answered" if send(router, make(dice)) else "hung up"] += 1
        if number % 10 == 0:
            began = time.monotonic()
            assert router.infer()[0] == 200
            assert time.monotonic() - began < BLOCKED
    return found


@pytest.mark.parametrize("make", [wild_call, wild_rest])
def test_odd_calls_and_bodies_bring_nothing_down(
    every: Router, servers: list[StandIn], make: Callable[[random.Random], bytes]
) -> None:
    dice = random.Random(20240917)
    pid = every.look().pid
    rounds(every, dice, make, 150)
    before = memory(every)
    found = rounds(every, dice, make, 500)
    print(make.__name__, found, memory(every) - before)
    assert found["answered"] > 250
    assert memory(every) - before < 8 * MEGABYTE
    assert every.look().pid == pid
    assert {path for stand_in in servers for path in stand_in.control()} == set()


def test_a_length_below_nothing_holds_nobody_up(every: Router) -> None:
    """A field that says it is 11 bytes shorter than nothing leads back to where it began."""
    message = field(1, b"digits") + field(4, field(1, b"x") + field(2, b"\x10\x01")) + field(9, b"", -11)
    for model in (b"digits", b"sums", b"prompts"):
        began = time.monotonic()
        send(every, call(SERVICE + "ModelInfer", prefixed(message.replace(b"digits", model))))
        assert every.infer()[0] == 200
        assert time.monotonic() - began < BLOCKED, model
