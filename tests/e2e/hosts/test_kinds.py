"""Nodes of every kind: an account with sudo, an installed Triton, one that runs already, node: models."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from command import REPOSITORY, Operator, Operators, nodes_of
from hosts import Host, Hosts

pytestmark = pytest.mark.hosts

ONE = {"simple": {"replicas": 1}}


@pytest.fixture(scope="module")
def gpu(machines: Hosts) -> Host:
    return machines.add("gpu01", size="900m")


@pytest.fixture
def ann(gpu: Host, operators: Operators) -> Iterator[Operator]:
    operator = operators(gpu.hosts)
    yield operator
    operator.run("down", "-y")


def answers(operator: Operator) -> None:
    for words in ((), ("--grpc",)):
        assert "expected" in operator.run("infer", "simple", *words).stdout
    assert "Nothing to do" in operator.run("up", "-y").stderr


@pytest.mark.parametrize("sudo", [pytest.param("free", marks=pytest.mark.nightly), "password"])
def test_become_with_sudo(ann: Operator, gpu: Host, sudo: str) -> None:
    """An account without rights logs in; everything of ours is root's and lies where root's things lie."""
    user = f"ops{sudo}"
    gpu.add_user(user, password="s3cret", sudo=sudo)
    (ann.folder / "word").write_text("s3cret\n")
    (ann.folder / "word").chmod(0o600)
    become = True if sudo == "free" else {"password": {"file": str(ann.folder / "word")}}
    nodes = nodes_of([gpu], ssh={"user": user, "become": become})
    ann.write(nodes, models=ONE, on=["gpu01"])
    told = ann.run("up", "-y", "-vv")
    assert re.search(r"gpu01: starting gpu01/0: \d+\.\d\d s", told.stderr)
    assert "  > flock -w 10 9 || refuse" in told.stderr
    assert "s3cret" not in told.said
    quiet = ann.run("up", "-y", "--quiet")
    assert quiet.said == "", "nothing to do, and nothing said of it"
    answers(ann)
    owner = gpu.run("stat -c '%U %a' /var/lib/distctl/test/gpu01/units/server-0/key").stdout
    assert owner == "root 600\n"
    assert gpu.run(f"find /home/{user} -type f -newer /etc/hostname").stdout == ""
    assert "s3cret" not in gpu.run("ps -eo args; cat /var/lib/distctl/test/gpu01/units/*/run").stdout


def test_sudo_that_asks_for_a_password_is_named(gpu: Host, operators: Operators) -> None:
    """The remedy is the key of the inventory that gives one."""
    ann = operators(gpu.hosts)
    gpu.add_user("asked", password="s3cret", sudo="password")
    ann.write(nodes_of([gpu], ssh={"user": "asked", "become": True}), models=ONE)
    said = ann.run("doctor", status=None)
    assert said.status in (1, 4)
    assert "sudo" in said.stdout
    assert "become" in said.stdout


@pytest.mark.nightly
def test_an_installed_triton_and_models_of_the_node(ann: Operator, gpu: Host) -> None:
    """`runtime.path` and `source: node:`: nothing is pushed."""
    ann.write(nodes_of([gpu]), models=ONE)
    ann.run("up", "-y")  # only to have a Triton there that can be called installed
    root = "/root/.local/share/distctl/test/gpu01"
    gpu.run(f"rm -rf /opt/triton /srv/models; cp -r {root}/runtime/* /opt/triton; mkdir -p /srv/models")
    gpu.run(f"cp -r {root}/models/simple/* /srv/models/simple")
    gpu.run("mkdir -p /srv/env/bin; ln -sfn /usr/bin/python3.11 /srv/env/bin/python3")
    ann.run("down", "-y")
    gpu.run(
        "mkdir -p /srv/env/lib/python3.11 && cp -r /opt/triton/python/site-packages /srv/env/lib/python3.11/"
        " && printf 'home = /usr/bin\\nversion = 3.11\\n' > /srv/env/pyvenv.cfg"
    )
    runtime = {"path": "/opt/triton", "python": "/srv/env/bin/python3"}
    ann.write(
        nodes_of([gpu], runtime=runtime),
        models={"simple": {"replicas": 1, "source": "node:/srv/models/simple"}},
        on=["gpu01"],
    )
    plan = ann.run("plan").stdout
    assert "install runtime" not in plan
    assert "push model" not in plan
    ann.run("up", "-y")
    answers(ann)
    assert gpu.run(f"ls {root}/runtime {root}/models 2>/dev/null", check=False).stdout == ""


def test_an_external_triton_is_routed_and_never_touched(
    gpu: Host, operators: Operators, machines: Hosts
) -> None:
    """One that somebody else started: `up` routes to it, drain works, `down` leaves it running."""
    owner = operators(machines, "owner")
    owner.write(nodes_of([gpu]), models=ONE, cluster="theirs")
    owner.run("up", "-y")
    lb = machines.add("lb")
    ann = operators(machines)
    external = {"address": gpu.address, "runtime": {"kind": "external"}}
    ann.write(
        {"lb": {"address": lb.address, "servers": "none"}, "theirs": external},
        models={"simple": {"replicas": 1, "source": str(REPOSITORY / "simple")}},
        on=["lb"],
    )
    before = gpu.run("pgrep -x tritonserver").stdout
    plan = ann.run("plan").stdout
    assert "start server" not in plan
    assert "route simple to theirs/0" in plan
    ann.run("up", "-y")
    answers(ann)
    ann.run("drain", "theirs", "--force")
    refused = ann.run("infer", "simple", status=1).stderr
    assert "503" in refused
    ann.run("undrain", "theirs")
    assert "expected" in ann.run("infer", "simple").stdout
    ann.run("down", "-y")
    assert gpu.run("pgrep -x tritonserver").stdout == before
    owner.run("down", "-y")
