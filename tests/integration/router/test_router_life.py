"""A router ends without a lost request, comes back, and goes on with another HAProxy; all of it real."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import shutil
import stat
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from router_clients import unary
from router_harness import Router, alive, workers_of
from router_load import Load
from router_pair import Pair
from tritonclient.grpc import service_pb2 as pb
from tritonclient.grpc import service_pb2_grpc as rpc

from distctl.adapters.clock import SystemClock
from distctl.adapters.haproxy import bundled_executable
from distctl.cluster.router import Peer
from distctl.cluster.spec import Endpoint, RouterId
from distctl.control.ending import end_router
from distctl.errors import DrainExpired

Make = Callable[..., Router]


def health(router: Router) -> tuple[int, int]:
    """What a balancer before the router is told: by its ops port, and by the clients' port."""
    return _status(f"http://127.0.0.1:{router.view.metrics_port}/healthz"), _status(
        f"{router.http}/v2/health/ready"
    )


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def _keeps(router: Router) -> bool:
    """Whether an answer leaves the connection open."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", router.view.http_port)) as connection:
        connection.request("POST", "/v2/models/digits/infer", b"{}")
        answer = connection.getresponse()
        answer.read()
        return answer.getheader("connection") != "close"


def set_draining(router: Router, draining: bool) -> str:
    router.view = replace(router.view, draining=draining)
    return router.apply()


def end(router: Router, *, lame_duck: float = 1.0, seconds: float = 20.0, force: bool = False) -> list[str]:
    """The whole end of a router, as `distctl router drain` brings it about; what it said on the way."""
    set_draining(router, True)
    said: list[str] = []
    world: Any = SimpleNamespace(router=lambda _: router.control, clock=SystemClock())
    end_router(world, router.view.id, lame_duck=lame_duck, seconds=seconds, force=force, report=said.append)
    return said


def test_a_router_that_is_to_end_says_so_and_serves_on(router: Router) -> None:
    assert health(router) == (200, 200)
    with Load(router) as load:
        assert "reloaded" not in set_draining(router, True)
        assert health(router) == (503, 503)
        with grpc.insecure_channel(router.grpc) as channel:
            stub = rpc.GRPCInferenceServiceStub(channel)
            with pytest.raises(grpc.RpcError) as refused:
                stub.ServerReady(pb.ServerReadyRequest(), timeout=5)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            assert unary(stub).status == 0
        assert "proc.draining bool(true)" in (router.folder / "haproxy.cfg").read_text()
        assert _keeps(router) is False, "clients leave while it still serves them anew"
        set_draining(router, False)
        assert _keeps(router) is True
        assert health(router) == (200, 200)
    assert not load.failures


def test_a_drained_router_loses_nothing_of_clients_that_use_two(make_router: Make) -> None:
    one, two = make_router(), make_router()
    for router in (one, two):
        router.apply()
    with Pair(one, two) as clients:
        said = end(one)
        assert not one.look().running
        assert set_draining(one, True) == "it does not run, as is wanted"
        assert not one.look().running
        before = dict(clients.count)
        time.sleep(1.2)
        assert clients.count["_stream"] > before["_stream"]  # on the other one
        set_draining(one, False)
        assert health(one) == (200, 200)
        end(two)
        time.sleep(1.2)
    clients.require_whole()
    assert any("serves on for 1 s" in words for words in said)
    assert said[-1] == "it has ended with its last connection"


def test_an_undrain_takes_back_a_router_that_is_ending(make_router: Make) -> None:
    one, two = make_router(), make_router()
    for router in (one, two):
        router.apply()
    with Pair(one, two) as clients:
        set_draining(one, True)
        time.sleep(0.5)  # its lame-duck time
        one.control.close()
        assert one.look().stopping
        assert "reloaded" in set_draining(one, False)
        sight = one.look()
        assert sight.running and not sight.stopping and health(one) == (200, 200)
        assert (one.folder / "up").exists()  # and a boot brings it back
        time.sleep(0.5)
    clients.require_whole()


def test_what_is_in_flight_at_the_deadline_is_cut_by_force_alone(router: Router) -> None:
    words = ["curl", "-s", "-d", "{}", "-H", "x-delay: 4000", f"{router.http}/v2/models/digits/infer"]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as late:
        time.sleep(0.5)
        with pytest.raises(DrainExpired, match="1 in flight after"):
            end(router, lame_duck=0.0, seconds=0.5)
        assert router.look().running
        end(router, lame_duck=0.0, seconds=0.0, force=True)
        assert not router.look().running
        assert late.communicate()[0] == b""


def another_haproxy(folder: Path) -> Path:
    """A second executable that is a real HAProxy: other bytes, the same program."""
    source = bundled_executable().parent
    shutil.copytree(source, folder)
    copy = folder / "haproxy"
    copy.write_bytes(copy.read_bytes() + b"\0")  # what stands behind an ELF's sections is never read
    copy.chmod(stat.S_IRWXU)
    return copy


def test_another_haproxy_takes_over_without_a_lost_request(make_router: Make, tmp_path: Path) -> None:
    first = make_router()
    first.apply()
    executable = another_haproxy(tmp_path / "other")
    other = make_router(root=first.root, haproxy=str(executable))
    digest = hashlib.sha256(executable.read_bytes()).hexdigest()[:16]
    # The wheel's program finds its libraries beside itself, as one of a site's own build would not.
    shutil.copytree(executable.parent, first.folder / "bin" / digest)
    other.view = first.view
    master = first.control._master.read().processes.master
    with Load(first) as load:
        assert "HAProxy" in other.look().outdated
        old = workers_of(first)
        assert other.apply().startswith("reloaded with another HAProxy")
        assert other.look().outdated == ""
        assert other.apply() == "nothing to do"
        copies = list((first.folder / "bin").iterdir())
        runs = Path(f"/proc/{master}/exe").readlink()
        assert [copy.name for copy in copies] == [runs.parent.name]
        time.sleep(0.5)
        assert first.apply().startswith("reloaded with another HAProxy")  # and back
    assert not load.failures, load.failures[:3]
    assert alive(master) and first.look().pid not in old


def test_a_sequence_goes_on_at_another_place_of_its_router(make_router: Make) -> None:
    """The places tell each other over TCP, also after a reload of the one that it began at."""
    one, two = make_router(), make_router()
    peers = tuple(
        Peer(place, Endpoint("127.0.0.1", router.view.http_port + 3))
        for place, router in (("lb1", one), ("lb2", two))
    )
    for place, router in (("lb1", one), ("lb2", two)):
        router.view = replace(router.view, id=RouterId("main", place), peers=peers)
        router.apply()
    places = {}
    for number in range(1, 9):
        status, answer = one.infer("seq", _step(number, starts=True))
        assert status == 200
        places[number] = answer["server"]
    assert len(set(places.values())) == 2
    for number, server in places.items():
        for router in (two, one, two):
            status, answer = router.infer("seq", _step(number))
            assert (status, answer["server"]) == (200, server)
    one.reload()
    assert {one.infer("seq", _step(n))[1]["server"] == s for n, s in places.items()} == {True}


def _step(number: int, *, starts: bool = False) -> bytes:
    parameters = {"sequence_id": number, "sequence_start": starts, "sequence_end": False}
    return json.dumps({"inputs": [], "parameters": parameters}).encode()
