"""Routers and servers that ssh reaches and the network does not: jump hosts, networks of their own, IPv6."""

from __future__ import annotations

import pytest
from command import Operators, nodes_of
from hosts import Hosts

pytestmark = pytest.mark.hosts

ONE = {"simple": {"replicas": 1}}
LOCAL = {"ports": {"http": 22800, "grpc": 22801, "metrics": 22802}}


@pytest.fixture(scope="module")
def deep(machines: Hosts) -> Hosts:
    """This machine reaches `bastion`, which reaches `relay`, which reaches `inner` and `inner2`."""
    machines.add("bastion", networks=(0, 1))
    machines.add("relay", networks=(1, 2))
    for name in ("inner", "inner2"):
        machines.add(name, networks=(2,))
    machines.write_config(f"Host *\n  IdentityFile {machines.key}\n")
    return machines


def behind(hosts: Hosts, *names: str) -> dict[str, dict[str, object]]:
    hops = [f"root@{hosts[name].address}" for name in ("bastion", "relay")]
    return nodes_of([hosts[name] for name in names], ssh={"jump": hops})


def test_a_router_that_reaches_no_server_is_refused_with_the_remedy(
    deep: Hosts, operators: Operators
) -> None:
    """doctor and `up` say the same; nothing was changed, on the nodes or here."""
    ann = operators(deep)
    ann.write(behind(deep, "inner"), models=ONE, on=["local"], router=LOCAL)
    seen = ann.run("doctor", status=1).stdout
    done = ann.run("up", "-y", status=1)
    for said in (seen, done.stderr):
        assert f"router main@local cannot reach inner/0 at {deep['inner'].address}:9000" in said
        assert "put the router on a node that reaches it (routers: main: on: [inner])" in said
        assert "set `serve_address` of inner" in said
        assert "open port 9000 there" in said
    assert "nothing was changed" in done.stderr
    assert "distctl" not in deep["inner"].run("find /root").stdout
    assert not (deep.home / ".local/share/distctl/test").exists()


def test_nodes_behind_two_hops_with_the_router_among_them(deep: Hosts, operators: Operators) -> None:
    """Everything, answers included, through the jump hosts that the inventory names."""
    ann = operators(deep)
    ann.write(behind(deep, "inner", "inner2"), models={"simple": {"replicas": 2}}, on=["inner"])
    ann.run("up", "-y")
    try:
        assert "Nothing to do" in ann.run("up", "-y").stderr
        assert "router main@inner reaches inner2/0" in ann.run("doctor").stdout
        for words in ((), ("--grpc",)):
            assert "expected" in ann.run("infer", "simple", *words).stdout
        ann.run("drain", "inner2")
        ann.run("status", "--check", status=1)
        ann.run("undrain", "inner2")
        ann.run("status", "--check", "--wait", "10s")
        config = deep["inner"].run("cat /root/.local/share/distctl/test/inner/units/router-main/haproxy.cfg")
        assert "inter 200ms" in config.stdout, "a near link is checked sharply"
    finally:
        ann.run("down", "-y")


def test_hops_out_of_ssh_config(deep: Hosts, operators: Operators) -> None:
    """The inventory names nothing but nodes; ProxyJump, HostName, User and keys are ssh_config's."""
    ann = operators(deep)
    deep.write_config(
        f"Host *\n  IdentityFile {deep.key}\n  User root\n"
        f"Host hop1\n  HostName {deep['bastion'].address}\n"
        f"Host hop2\n  HostName {deep['relay'].address}\n  ProxyJump hop1\n"
        f"Host inner\n  HostName {deep['inner'].address}\n  ProxyJump hop2\n"
    )
    ann.write({"inner": {"serve_address": deep["inner"].address}}, models=ONE, on=["inner"], ssh={})
    assert "Python 3" in ann.run("doctor").stdout
    assert "start server inner/0 with simple" in ann.run("plan").stdout


@pytest.mark.nightly
def test_serve_addresses_of_ipv6(deep: Hosts, operators: Operators) -> None:
    """Servers listen there, the router reaches them there; an address that nobody has is told."""
    ann = operators(deep)
    one, two = (deep.sixth(number, deep[name]) for number, name in enumerate(("inner", "inner2"), 0x10))
    nodes = behind(deep, "inner", "inner2")
    nodes["inner"]["serve_address"], nodes["inner2"]["serve_address"] = one, f"{two}99"
    ann.write(nodes, models={"simple": {"replicas": 2}}, on=["inner"], router={"address": "::"})
    lost = ann.run("up", "-y", status=1).stderr
    assert f"router main@inner cannot reach inner2/0 at [{two}99]:9000" in lost
    nodes["inner2"]["serve_address"] = two
    ann.write(nodes, models={"simple": {"replicas": 2}}, on=["inner"], router={"address": "::"})
    ann.run("up", "-y")
    try:
        assert f"reaches inner2/0 at [{two}]:9000" in ann.run("doctor").stdout
        assert "expected" in ann.run("infer", "simple").stdout
        ann.run("status", "--check")
    finally:
        ann.run("down", "-y")
