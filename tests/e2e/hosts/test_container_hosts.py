"""Servers in containers on test hosts: reached by ssh, pulled by the nodes themselves, power cut."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from command import Operator, nodes_of
from hosts import Host, Hosts
from images import picture
from load import Load
from podman import CONTAINERS, registries, storage
from registry import registry

CLIENTS = ("digits:http*2", "digits:grpc*2")

pytestmark = [pytest.mark.hosts, pytest.mark.nightly]


def test_a_node_that_is_rebooted_costs_nothing_and_up_starts_its_container(
    machines: Hosts, tmp_path: Path
) -> None:
    """The registry speaks plain HTTP, so that this machine cannot ask it: the nodes tell its digest."""
    operator = Operator(machines, tmp_path / "ann")
    lb = machines.add("lb")
    nodes = [machines.add(name, containers="700m") for name in ("gpu01", "gpu02")]
    address = lb.address.rpartition(".")[0] + ".1"
    with registry(tmp_path / "registry", host=address) as reg:
        image = reg.push(picture())
        for node in nodes:
            prepare(node, reg.address)
        runtime: dict[str, Any] = {"kind": "container", "engine": "podman", "image": image, "shm": "128MiB"}
        operator.write(
            {"lb": {"address": lb.address, "servers": "none"}, **nodes_of(nodes, runtime=runtime)},
            models={"digits": {"replicas": 2}},
            on=["lb"],
        )
        plan = operator.run("plan").said
        operator.run("up", "-y")
        assert "Nothing to do" in operator.run("up", "-y").stderr
        with Load(8000, 8001, *CLIENTS, host=lb.address) as load:
            time.sleep(1)
            nodes[0].power_cut()
            time.sleep(1)
            nodes[0].boot()
            mount_groups(nodes[0])
            again = operator.run("plan").stdout
            operator.run("up", "-y")
            operator.run("status", "--check", "--wait", "40s")
            time.sleep(1)
        load.report.require_whole()
        operator.run("down", "-y")
    assert "the first node that pulls it will tell its digest" in plan
    assert "+ start server gpu01/0" in again
    assert "pull" not in again
    for node in nodes:
        assert node.run("podman ps --all --quiet; podman images --quiet").stdout == ""


def prepare(host: Host, address: str) -> None:
    """Settings of podman without which it runs on few test hosts."""
    host.write("/etc/containers/containers.conf", CONTAINERS + "no_pivot_root = true\n")
    host.write("/etc/containers/registries.conf", registries([address]))
    host.write("/etc/containers/storage.conf", storage("/var/lib/containers/storage", "/run/containers"))
    mount_groups(host)


def mount_groups(host: Host) -> None:
    """Control groups, as this machine has them: a host has no init that mounts them at each boot."""
    mounts = [line.split()[:4] for line in Path("/proc/self/mounts").read_text().splitlines()]
    groups = [(place, kind, options) for _, place, kind, options in mounts if kind.startswith("cgroup")]
    lines = ["mount -t tmpfs -o mode=755 groups /sys/fs/cgroup"]
    for place, kind, options in sorted(groups):
        own = [
            word for word in options.split(",") if word not in ("rw", "relatime", "nosuid", "nodev", "noexec")
        ]
        words = f"-o {','.join(own)}" if own else ""
        lines.append(f"mkdir -p {place} && mount -t {kind} {words} {kind} {place}")
    host.run("\n".join(lines))
