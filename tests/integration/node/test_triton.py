"""A real Triton on a local node: it comes up, comes back with its models, and goes without a trace."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import tritonclient.grpc as grpcclient
from node_parts import Place, eventually, folder_of, model_folder, running
from tritonclient.utils import InferenceServerException

from distctl.adapters.node_settings import runtime_of
from distctl.adapters.node_site import NodeSite
from distctl.adapters.polling import observe_servers
from distctl.adapters.triton_http import HttpTriton
from distctl.cluster.snapshot import ModelState
from distctl.cluster.spec import Endpoint, Runtime, ServerId
from distctl.commands.triton import memory_prefix
from distctl.errors import TritonError

BROKEN = "raise ValueError('the weights are damaged')"


def pushed(place: Place, root: Path, number: int, initialize: str = "pass") -> str:
    """Push a model that answers `number`; its digest."""
    found = folder_of(model_folder(root / f"number-{number}-{len(initialize)}", number, initialize))
    place.site.push("m", found)
    return found.digest


def up(place: Place, models: Mapping[str, str]) -> HttpTriton:
    """Configure and start, and wait until every model has loaded or failed."""
    place.site.configure(place.server, models, {})
    place.site.start(place.server)
    client = HttpTriton(place.server.http, lambda: place.site.key(place.server))
    eventually(lambda: settled(client), 60)
    return client


def settled(client: HttpTriton) -> bool:
    """Whether the server answers and no model is loading."""
    try:
        return all(sight.state is not ModelState.LOADING for sight in client.index().values())
    except TritonError:
        return False


def answer(place: Place) -> float:
    """What model m answers."""
    body = {"inputs": [{"name": "X", "shape": [1], "datatype": "FP32", "data": [0]}]}
    request = urllib.request.Request(
        f"{place.server.http.url}/v2/models/m/infer", data=json.dumps(body).encode()
    )
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)["outputs"][0]["data"][0]


def regions(place: Place) -> list[str]:
    """The shared memory of this server's stubs."""
    prefix = memory_prefix(place.site.paths.root, place.server)
    return [path.name for path in Path("/dev/shm").iterdir() if path.name.startswith(prefix)]


def processes(place: Place) -> set[int]:
    """Every process of this node's runtime: the server and its stubs."""
    return set(running(f"{place.site.paths.runtimes}/"))


def test_a_killed_server_comes_back_with_its_models_and_without_old_stubs(triton_place, tmp_path):
    digest = pushed(triton_place, tmp_path, 1)
    up(triton_place, {"m": digest})
    assert answer(triton_place) == 1
    sight = triton_place.site.look()
    unit = sight.units["server-default"]
    assert sight.links == {("default", "m"): digest}
    before, memory = processes(triton_place), set(regions(triton_place))
    assert len(before) == 3, "the server and a stub for each instance"

    os.kill(unit.process.pid, signal.SIGKILL)

    def answers() -> bool:
        try:
            return answer(triton_place) == 1
        except (OSError, urllib.error.HTTPError):
            return False

    eventually(answers, 30)
    assert not before & processes(triton_place)
    assert len(processes(triton_place)) == 3
    assert not memory & set(regions(triton_place))
    again = triton_place.site.look().units["server-default"]
    assert (again.settings, again.run_digest) == (unit.settings, unit.run_digest)
    assert again.process != unit.process

    began = time.monotonic()
    triton_place.site.stop(triton_place.server, seconds=35)
    assert time.monotonic() - began < 10
    assert processes(triton_place) == set()
    assert regions(triton_place) == []


def test_answers_follow_the_link_from_one_content_to_another_and_back(triton_place, tmp_path):
    first, second = pushed(triton_place, tmp_path, 1), pushed(triton_place, tmp_path, 2, "time.sleep(1)")
    client = up(triton_place, {"m": first})
    for digest, number in [(second, 2), (first, 1), (second, 2)]:
        assert triton_place.site.configure(triton_place.server, {"m": digest}, {})
        assert not triton_place.site.configure(triton_place.server, {"m": digest}, {})
        client.load("m")
        assert client.index()["m"].state is ModelState.LOADING, "ready would be said of the old one"
        eventually(lambda: settled(client))
        assert client.index()["m"].state is ModelState.READY
        assert answer(triton_place) == number


def test_a_broken_version_is_told_while_the_old_one_serves(triton_place, tmp_path):
    good, bad = pushed(triton_place, tmp_path, 1), pushed(triton_place, tmp_path, 2, BROKEN)
    client = up(triton_place, {"m": good})
    triton_place.site.configure(triton_place.server, {"m": bad}, {})
    client.load("m")
    eventually(lambda: settled(client))
    sight = client.index()["m"]
    assert sight.state is ModelState.UNAVAILABLE
    assert "ValueError: the weights are damaged" in sight.reason
    assert answer(triton_place) == 1
    triton_place.site.stop(triton_place.server, seconds=1)


def test_a_model_that_cannot_load_at_start_is_named_and_the_rest_serves(triton_place, tmp_path):
    good, bad = pushed(triton_place, tmp_path, 1), pushed(triton_place, tmp_path, 2, BROKEN)
    triton_place.site.change(
        f"mkdir -p {triton_place.path('models', 'bad')} && "
        f"mv {triton_place.path('models', 'm', bad)} {triton_place.path('models', 'bad', bad)}",
        tried="naming the other model",
    )
    client = up(triton_place, {"m": good, "bad": bad})
    index = client.index()
    assert index["m"].state is ModelState.READY
    assert index["bad"].state is ModelState.UNAVAILABLE
    assert "the weights are damaged" in index["bad"].reason
    assert any("the weights are damaged" in line for line in triton_place.site.tail("server-default", 200))
    assert answer(triton_place) == 1


def test_only_who_has_the_key_controls_models_and_statistics_stay_open(triton_place, tmp_path):
    up(triton_place, {"m": pushed(triton_place, tmp_path, 1)})
    server = triton_place.server
    stranger = HttpTriton(server.http, lambda: "guessed")
    for forbidden in (stranger.index, lambda: stranger.load("m"), lambda: stranger.unload("m")):
        with pytest.raises(TritonError, match="restricted"):
            forbidden()
    with grpcclient.InferenceServerClient(str(server.grpc)) as grpc:
        for call in (
            grpc.get_model_repository_index,
            grpc.get_system_shared_memory_status,
            grpc.get_log_settings,
        ):
            with pytest.raises(InferenceServerException, match="restricted"):
                call()
        assert grpc.get_inference_statistics("m").model_stats[0].name == "m"
        assert grpc.is_model_ready("m")
    with urllib.request.urlopen(f"{server.http.url}/v2/models/stats", timeout=5) as reply:
        assert reply.status == 200
    key = triton_place.path("units", "server-default", "key")
    assert key.stat().st_mode & 0o777 == 0o600
    assert len(triton_place.site.key(server)) == 48


def test_many_servers_are_asked_at_once_and_a_silent_one_is_told(triton_place, tmp_path):
    up(triton_place, {"m": pushed(triton_place, tmp_path, 1)})
    server, dead = triton_place.server, ServerId("two", "default")
    endpoints = {server.id: server.http, dead: Endpoint("127.0.0.1", 23998)}
    sights = observe_servers(endpoints, {server.id: triton_place.site.key(server)})
    assert (sights[server.id].live, sights[server.id].ready) == (True, True)
    assert sights[server.id].replicas["m"].state is ModelState.READY
    assert not sights[dead].live
    assert "127.0.0.1:23998 does not answer" in sights[dead].error
    client = HttpTriton(server.http, lambda: triton_place.site.key(server))
    assert client.live()
    client.unload("m")
    eventually(lambda: client.index()["m"].reason == "unloaded")


def test_a_model_may_lie_on_the_node_outside_of_ours(triton_place, tmp_path):
    digest = pushed(triton_place, tmp_path, 1)
    place = tmp_path / "srv" / "m"
    place.parent.mkdir()
    triton_place.path("models", "m", digest).rename(place)
    triton_place.site.configure(triton_place.server, {}, {"m": str(place)})
    assert triton_place.site.look().links == {("default", "m"): ""}
    triton_place.site.start(triton_place.server)
    client = HttpTriton(triton_place.server.http, lambda: triton_place.site.key(triton_place.server))
    eventually(lambda: settled(client), 60)
    assert answer(triton_place) == 1


def test_a_server_whose_port_is_taken_says_so_in_its_log(triton_place):
    with socket.create_server(("127.0.0.1", triton_place.server.http_port)):
        triton_place.site.configure(triton_place.server, {}, {})
        triton_place.site.start(triton_place.server)
        eventually(lambda: "again in" in "".join(triton_place.site.tail("server-default", 5)), 30)
        said = triton_place.site.tail("server-default", 40)
    assert any("ddress already in use" in line or "Unavailable" in line for line in said), said


@pytest.mark.skipif(not Path("/proc/net/if_inet6").read_text(), reason="this machine has no IPv6")
def test_a_server_listens_on_an_ipv6_address(triton_place):
    six = replace(triton_place.server, host="::1")
    triton_place.site.configure(six, {}, {})
    triton_place.site.start(six)
    client = HttpTriton(six.http, lambda: triton_place.site.key(six))
    eventually(lambda: settled(client), 60)
    with grpcclient.InferenceServerClient(str(six.grpc)) as grpc:
        assert grpc.is_server_live()
    assert observe_servers({six.id: six.http}, {six.id: triton_place.site.key(six)})[six.id].live


def test_an_installed_triton_is_run_where_it_lies(triton_place, runtime):
    installed = Runtime(path=triton_place.site.paths.runtime(runtime.digest))
    node = replace(triton_place.node, runtime=installed)
    site = NodeSite(node, triton_place.connector, "suite", lambda version: "must not be asked")
    other = replace(triton_place, node=node, site=site)
    other.claim()
    client = up(other, {})
    assert client.live()
    assert runtime_of(node, site.facts, lambda version: "must not be asked") == ""
