"""Verdicts on a node whose servers run in containers: engine, GPUs, room for the image, reboots."""

from __future__ import annotations

from collections.abc import Iterator

from distctl.cluster.spec import Node
from distctl.facts.engine_words import Trouble
from distctl.facts.engines import Engine, choose, devices
from distctl.facts.verdict import Facts, Level, Verdict

IMAGE = 20 * 10**9  # bytes: NVIDIA's image, about 10 GB packed and as much again while it is unpacked


def engine_verdicts(node: Node, facts: Facts, *, installed: bool) -> Iterator[Verdict]:
    """Everything about the engine of a node; `installed`: its image is there and needs no more room."""
    if not node.contained or "containers" not in facts:
        return
    engine = choose(facts, node.runtime.container.engine)
    if isinstance(engine, Trouble):
        yield Verdict(Level.FAIL, engine.problem, engine.hint)
        return
    yield Verdict(Level.OK, f"{engine.name} {engine.version}{', rootless' if engine.rootless else ''}")
    yield from _gpus(node, facts, engine)
    if engine.free is not None and engine.free < IMAGE and not installed:
        what = f"{engine.free / 1e9:.1f} GB free in {engine.storage}, where {engine.name} keeps images"
        yield Verdict(Level.WARN, what, f"NVIDIA's image needs {IMAGE / 1e9:.0f} GB: free some there")
    if not engine.init:
        what = "podman has no catatonit: what a model leaves behind in its container stays until a restart"
        yield Verdict(Level.WARN, what, "sudo apt-get install -y catatonit")
    yield _boot(facts, engine)


def _gpus(node: Node, facts: Facts, engine: Engine) -> Iterator[Verdict]:
    for server in node.servers:
        found = devices(facts, engine, server.gpus)
        if isinstance(found, Trouble):
            yield Verdict(Level.FAIL, f"server {server.id.server}: {found.problem}", found.hint)


def _boot(facts: Facts, engine: Engine) -> Verdict:
    """Whether containers come back after a boot; docker's daemon does that, podman has none."""
    lingers = not engine.rootless or facts.get("systemd.linger") == "yes"
    if engine.restart and lingers:
        return Verdict(Level.OK, f"{engine.name} starts servers again after a crash and after a boot")
    account = facts.get("user", "$USER")
    if facts.get("systemd") != "yes":
        remedy = "after a boot: distctl up"
    elif engine.name == "docker":
        remedy = "sudo systemctl enable docker"
    elif engine.rootless:
        remedy = f"sudo loginctl enable-linger {account}; systemctl --user enable podman-restart.service"
    else:
        remedy = "sudo systemctl enable podman-restart.service"
    return Verdict(Level.WARN, f"{engine.name} does not start servers again after a boot", remedy)
