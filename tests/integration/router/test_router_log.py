"""What a router says of each request: one line of JSON whatever clients send, bounded, in nobody's way."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from router_harness import Router, call, wait_for
from router_load import Load
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as rpc

from distctl.cluster.requests import Wanted
from distctl.cluster.spec import LogSpec
from distctl.commands.haproxy.access import told

MIB = 1024 * 1024


def lines(router: Router) -> list[dict]:
    """Every line of the router's log of requests, each of them JSON."""
    files = sorted(router.folder.glob("access.log*"), reverse=True)
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def line_of(router: Router, request: str) -> dict:
    """The line about a request, once it is there."""
    found: list[dict] = []
    wait_for(lambda: found.extend(x for x in lines(router) if x.get("request") == request) or found, request)
    (one,) = found
    return one


def raw(router: Router, sent: bytes) -> bytes:
    """What the router answers to these bytes, its first piece."""
    with socket.create_connection(("127.0.0.1", router.view.http_port), timeout=5) as stream:
        stream.sendall(sent)
        return stream.recv(65536)


@pytest.fixture
def logging(make_router: Callable[..., Router]) -> Router:
    made = make_router(log=LogSpec(keep=2 * MIB, files=2))
    made.apply()
    return made


def test_line_says_who_asked_what_of_whom_and_how_it_went(logging: Router) -> None:
    status, told = logging.infer(x_request_id="mine-1", x_delay="80")
    assert status == 200
    said = line_of(logging, "mine-1")
    assert said["server"] == f"{told['server']}/0" and said["model"] == "digits"
    assert (said["protocol"], said["status"], said["end"]) == ("rest", 200, "--")
    assert said["path"] == "/v2/models/digits/infer" and said["backend"] == "digits_r"
    assert 80 <= said["first"] <= said["total"] < 2000 and said["queue"] >= 0 <= said["connect"]
    assert said["in"] > 12 and said["out"] > 100 and said["client"] == "127.0.0.1"
    assert (said["key"], said["version"], said["grpc_status"], said["retries"]) == ("-", "-", "-", "0")


def test_grpc_is_told_alike_with_version_and_its_own_status(logging: Router) -> None:
    with grpc.insecure_channel(logging.grpc) as channel:
        stub = rpc.GRPCInferenceServiceStub(channel)
        request = pb.ModelInferRequest(model_name="digits", model_version="7")
        _, call = stub.ModelInfer.with_call(request, metadata=[("x-request-id", "g-1")])
        assert dict(call.initial_metadata())["x-request-id"] == "g-1"
        with pytest.raises(grpc.RpcError):
            stub.ModelInfer(pb.ModelInferRequest(model_name="none"), metadata=[("x-request-id", "g-2")])
    good, bad = line_of(logging, "g-1"), line_of(logging, "g-2")
    assert (good["protocol"], good["model"], good["version"]) == ("grpc", "digits", "7")
    assert good["backend"] == "digits_g" and good["server"] in ("n1/0", "n2/0")
    assert (bad["model"], bad["grpc_status"], bad["server"]) == ("none", "5", "-")


def test_id_that_is_not_sane_is_replaced_and_told_to_server_and_client(logging: Router) -> None:
    for sent in ("", "a b", 'q"uote', "x" * 65, "one,two"):
        head = (
            f"GET /v2/models/digits HTTP/1.1\r\nhost: a\r\nx-request-id: {sent}\r\nconnection: close\r\n\r\n"
        )
        answer, _, body = raw(logging, head.encode()).decode().partition("\r\n\r\n")
        headers = [line.split(": ", 1) for line in answer.splitlines()[1:]]
        (id,) = [value for name, value in headers if name == "x-request-id"]
        assert len(id) == 36 and id.count("-") == 4
        assert json.loads(body)["headers"].count("x-request-id") == 1
        assert line_of(logging, id)["status"] == 200


def test_secrets_stand_in_no_line(logging: Router) -> None:
    secret = "s3cret-of-mine"
    headers = {"authorization": f"Bearer {secret}", "x-api-key": secret, "x-request-id": "s-1"}
    call(f"{logging.http}/v2/models/digits/infer?token={secret}", b"{}", headers)
    line_of(logging, "s-1")
    assert not any(secret.encode() in file.read_bytes() for file in logging.folder.glob("access.log*"))


def fuzzed() -> Iterator[bytes]:
    """Paths, headers and bodies of every byte, too long, broken: the same each time."""
    dice = random.Random(8)
    odd = [bytes([n]) for n in range(256) if n not in b"\r\n"]
    odd += [
        b'"',
        b"\\",
        b'","status":200,"x":"',
        b"\\u0000",
        "é".encode(),
        b"\xf0\x9f\x92",
        b"%22%5c%0a%00",
        b"\t",
    ]
    for _ in range(400):
        word = b"".join(dice.choices(odd, k=dice.randrange(1, 60)))
        long = dice.choice((b"", word * dice.randrange(40)))
        place = dice.choice(
            (b"/%b", b"/v2/models/%b/infer", b"/v2/models/digits/versions/%b/infer", b"%b", b"/?q=%b")
        )
        path = place % (word.replace(b" ", b"") + long.replace(b" ", b""))
        id = dice.choice((b"", b"x-request-id: " + word + b"\r\n", b"x-api-key: " + word + b"\r\n"))
        head = b"%b %b HTTP/1.1\r\nhost: a\r\n%bconnection: close\r\n" % (
            dice.choice((b"GET", b"POST", word[:8])),
            path,
            id,
        )
        yield head + b"content-length: 2\r\n\r\n{}"


def test_whatever_clients_send_every_line_is_one_document(logging: Router) -> None:
    for sent in fuzzed():
        assert raw(logging, sent).startswith(b"HTTP/1."), sent
    for name in ('q"uo\\te\n', "é" * 200, "\x00\x1f\x7f", '","model":"x'):
        with grpc.insecure_channel(logging.grpc) as channel, pytest.raises(grpc.RpcError):
            request = pb.ModelInferRequest(model_name=name, model_version=name)
            rpc.GRPCInferenceServiceStub(channel).ModelInfer(request)
    logging.infer(x_request_id="last-1")
    line_of(logging, "last-1")
    said = lines(logging)
    assert len(said) == 405 and all(isinstance(line["status"], int) for line in said)
    assert {'q"uo\\te\n', '","model":"x'} <= {line["model"] for line in said if "model" in line}
    files = logging.folder.glob("access.log*")
    assert max(len(line) for file in files for line in file.read_bytes().splitlines()) < 4095


def test_log_is_bounded_whole_and_nobodys_business_but_its_readers(logging: Router) -> None:
    """Rotated without us; a reader that hangs holds up no request, one that was killed comes back."""
    folder = logging.folder
    with Load(logging, streams=False) as load:
        reader = beside(folder)
        os.killpg(reader, signal.SIGSTOP)
        before = load.answers
        wait_for(lambda: load.answers > before + 400, "requests while the reader hangs")
        assert load.longest < 2
        os.killpg(reader, signal.SIGKILL)
        wait_for(lambda: beside(folder) != reader, "another reader")
        logging.reload()
        wait_for(lambda: kept(logging, "later-1"), "what is said to the other reader")
    assert not load.failures
    filler = json.dumps({"request": "f", "text": "x" * 3000}).encode() + b"\n"
    with (folder / "access.pipe").open("wb") as pipe:
        for _ in range(4 * MIB // len(filler)):
            pipe.write(filler)
    wait_for(lambda: kept(logging, "after-1"), "what is said after the rotation")
    files = sorted(folder.glob("access.log*"))
    assert [file.name for file in files] == ["access.log", "access.log.1"]
    assert sum(file.stat().st_size for file in files) <= 2 * MIB
    assert len(lines(logging)) > 400 and b"Loading success" in (folder / "log").read_bytes()


def kept(router: Router, request: str) -> bool:
    """Whether a line of a request comes through; one is dropped while the pipe is full."""
    router.infer(x_request_id=request)
    time.sleep(0.1)
    return request.encode() in (router.folder / "access.log").read_bytes()


def beside(folder: Path) -> int:
    """The session of what reads the pipe."""
    found = dict(line.split("=") for line in (folder / "pid").read_text().splitlines())
    return int(found["beside"].split()[1])


def test_router_without_a_log_says_nothing_and_is_given_one_by_a_reload(
    make_router: Callable[..., Router],
) -> None:
    router = make_router()
    router.apply()
    assert router.infer(x_request_id="no-1")[0] == 200
    assert not (router.folder / "access.log").exists()
    router.view = replace(router.view, log=LogSpec())
    assert router.apply().startswith("reloaded")
    router.infer(x_request_id="yes-1")
    line_of(router, "yes-1")
    router.view = replace(router.view, log=LogSpec(keep=50 * MIB))
    assert "reloaded" not in router.apply()
    router.infer(x_request_id="yes-2")
    line_of(router, "yes-2")


def asked(router: Router, position: str = "", newest: int = 100, **wanted: object) -> tuple[list[str], str]:
    """The ids of the requests that a router tells of, and where to go on."""
    page = router.control.requests(router.view.log, Wanted(**wanted), position, newest)
    return [json.loads(line)["request"] for line in page.lines], page.position


def test_requests_are_picked_on_the_place_and_read_on_from_where_they_ended(logging: Router) -> None:
    for name in ("a-1", "a-2", "b-1"):
        logging.infer(model="digits" if name[0] == "a" else "seq", x_request_id=name)
    logging.infer(model="none", x_request_id="c-404")
    logging.infer(x_request_id="d-slow", x_delay="300")
    logging.infer(x_request_id="e-lost", x_drop="1")
    line_of(logging, "e-lost")
    everything, position = asked(logging)
    assert everything == ["a-1", "a-2", "b-1", "c-404", "d-slow", "e-lost"]
    assert asked(logging, newest=2)[0] == ["d-slow", "e-lost"]
    assert asked(logging, model="seq")[0] == ["b-1"]
    assert asked(logging, request="a-")[0] == ["a-1", "a-2"]
    assert asked(logging, errors=True)[0] == ["c-404", "e-lost"]
    assert asked(logging, slow=250)[0] == ["d-slow"]
    assert asked(logging, slow=250, errors=True)[0] == []
    assert asked(logging, key="ci")[0] == []
    at = json.loads((logging.folder / "access.log").read_text().splitlines()[4])
    assert asked(logging, since=at["at"] + at["total"] / 1000 - 0.01)[0] == ["d-slow", "e-lost"]
    found = told(logging.view.id, (logging.folder / "access.log").read_text().splitlines()[5])
    assert found and found.failed and found.tries == 2 and found.status == 502
    assert found.how == "the server hung up or refused before the answer began"
    wait_for(lambda: [one.request for one in logging.look().lost] == ["e-lost"], "the loss to be named too")
    assert asked(logging, position) == ([], position)
    with (logging.folder / "access.log").open("a") as file:  # the half of a line, then its rest
        file.write('{"request":"half",')
        file.flush()
        assert asked(logging, position) == ([], position)
        file.write('"total":1}\n')
    assert asked(logging, position)[0] == ["half"]
    _, position = asked(logging)
    (logging.folder / "access.log").rename(logging.folder / "access.log.1")
    with (logging.folder / "access.log.1").open("a") as file:
        file.write('{"request":"before"}\n')
    (logging.folder / "access.log").write_text('{"request":"behind"}\n')
    ids, position = asked(logging, position)
    assert ids == ["before", "behind"]
    assert asked(logging, position)[0] == []
