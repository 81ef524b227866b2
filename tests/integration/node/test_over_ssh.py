"""The same node over ssh, as an account without rights: provisioned, through a power cut, and removed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest
from hosts import Hosts
from node_parts import eventually, folder_of

from distctl.adapters.artifacts import Artifacts
from distctl.adapters.node_site import NodeSite
from distctl.adapters.ssh import Connections
from distctl.adapters.triton_http import HttpTriton
from distctl.cluster.snapshot import ModelState, Owner
from distctl.cluster.spec import Become, Node, Server, ServerId
from distctl.commands.units import Manager
from distctl.errors import TritonError
from distctl.facts.doctor import verdicts
from distctl.facts.python import choose
from distctl.facts.verdict import Level

pytestmark = pytest.mark.hosts


Runs = Callable[[], Connections]


@pytest.fixture
def new_run(hosts: Hosts) -> Iterator[Runs]:
    """The connections of one run of distctl, each time new ones."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(
            Connections(secret=lambda ref: ref.value[0], warn=lambda text: None, account=hosts.account)
        )


def site_of(node: Node, connections: Connections, artifacts: Artifacts) -> NodeSite:
    site = NodeSite(node, connections.connector(node), "suite", artifacts.digest)
    site.claim(Owner("suite", "record-1", 1, "ann@desk", time.time()))
    return site


def with_server(node: Node) -> Node:
    server = Server(ServerId(node.name, "default"), node.serve_address, 9000, 9001, 9002)
    return replace(node, servers=(server,))


def loaded(client: HttpTriton) -> bool:
    try:
        index = client.index()
    except TritonError:
        return False
    return bool(index) and all(sight.state is ModelState.READY for sight in index.values())


def test_an_account_without_rights_serves_a_model_and_comes_back_after_a_power_cut(
    hosts, new_run, artifacts, number_model
):
    host = hosts.add("gpu01")
    host.add_user("plain")
    node = with_server(host.node(user="plain"))
    (server,) = node.servers
    site = site_of(node, new_run(), artifacts)
    facts = site.look().facts
    assert facts["home"] == "/home/plain"
    assert site.manager is Manager.DETACHED
    assert [v.what for v in verdicts(node, facts) if v.level is Level.FAIL] == []

    site.install(artifacts.runtime(choose(facts).version))
    folder = folder_of(number_model)
    site.push("m", folder)
    site.configure(server, {"m": folder.digest}, {})
    site.start(server)
    client = HttpTriton(server.http, lambda: site.key(server))
    eventually(lambda: loaded(client), 60)
    sight = site.look()
    running = sight.units["server-default"]
    assert running.process and running.process.boot == facts["boot_id"]
    assert f"9000=tritonserver:{running.process.pid}" in sight.facts["ports"].split()

    host.power_cut()
    host.boot()
    again = site_of(node, new_run(), artifacts)
    sight = again.look()
    assert sight.facts["boot_id"] != facts["boot_id"]
    assert sight.units["server-default"].process is None
    assert sight.units["server-default"].wanted_up
    assert sight.links == {("default", "m"): folder.digest}
    again.start(server)
    eventually(lambda: loaded(client), 60)

    again.stop(server, seconds=35)
    again.remove()
    assert host.run("ls -A /home/plain/.local/share/distctl").stdout.strip() == ""
    assert "tritonserver" not in host.run("cat /proc/[0-9]*/comm").stdout


def test_with_become_everything_lies_where_root_keeps_it(hosts, new_run, artifacts):
    host = hosts.add("gpu01")
    host.add_user("free", sudo="free")
    node = with_server(host.node(user="free", become=Become()))
    site = site_of(node, new_run(), artifacts)
    sight = site.look()
    assert sight.facts["root"] == f"/var/lib/distctl/suite/{node.name}"
    assert sight.facts["user"] == "root"
    assert sight.owner.record == "record-1"
    assert host.run("stat -c %a:%U /var/lib/distctl/suite/gpu01").stdout.split() == ["700:root"]
    site.remove()
    assert site.look().owner is None
