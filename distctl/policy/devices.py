"""Which devices the servers of a node get, from what its looks have shown.

Each device keeps for good the number that nvidia-smi gave it at first: the record holds them by UUID, and a
server is named after the number. A device that is not listed any more keeps its number and its server, since
one bad answer of nvidia-smi must not take servers away; one that is new takes the number of one that has
gone, as a card that was exchanged does. To let go of a number for good, write `gpus` without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from distctl.cluster.gpu import Gpu, devices
from distctl.cluster.spec import MOST_DEVICES, Node, PerDevice, Server, ServerId, Spec, nth_server

Facts = Mapping[str, str]

GPUS = "servers.gpus"  # the fact that numbers a node's GPUs: their UUIDs in order, NOBODY for a gap
MIGS = "servers.migs"  # its MIG devices, each as `NUMBER:UUID` with the number of its GPU
NOBODY = "-"


def with_devices(known: Facts, seen: Facts) -> dict[str, str]:
    """The facts of a look, with the numbers of devices as they were known before and are now."""
    gpus = _numbered(known.get(GPUS, "").split(), {gpu.index: gpu.uuid for gpu in _usable(seen)})
    migs = _numbered(known.get(MIGS, "").split(), dict(enumerate(_listed_migs(seen, gpus))))
    tables = {GPUS: " ".join(gpus), MIGS: " ".join(migs)}
    return {**seen, **{name: table for name, table in tables.items() if table}}


def _usable(facts: Facts) -> list[Gpu]:
    return [gpu for gpu in devices(facts) if gpu.uuid]


def _listed_migs(facts: Facts, gpus: list[str]) -> list[str]:
    return [f"{gpus.index(gpu.uuid)}:{mig.uuid}" for gpu in _usable(facts) for mig in gpu.mig]


def _numbered(known: list[str], listed: Mapping[int, str]) -> list[str]:
    """The known ones where they were; a new one at its index, or else where one has gone, or at the end."""
    table = [*known, *[NOBODY] * (max(listed, default=-1) + 1 - len(known))]
    there = set(listed.values())
    for index, device in listed.items():
        if device not in table:
            free = [number for number, held in enumerate(table) if held not in there]
            number = index if index in free else next(iter(free), len(table))
            table[number : number + 1] = [device]
    return table[:MOST_DEVICES]


def assigned(spec: Spec, facts: Mapping[str, Facts]) -> Spec:
    """The spec with each server's devices by UUID, as far as the facts of its node tell. Pure."""
    return replace(spec, nodes=tuple(with_servers(node, facts.get(node.name, {})) for node in spec.nodes))


def with_servers(node: Node, facts: Facts) -> Node:
    """A node with the servers that it is to have by its facts, and those that it has already.

    Numbers that nobody has seen stay numbers.
    """
    gpus = facts.get(GPUS, "").split()
    if node.per_device is not None:
        found = {server.id: server for server in _one_each(node, node.per_device, facts)}
        others = (server for server in node.servers if server.id not in found)
        return replace(node, servers=(*found.values(), *others))
    if all(server.gpus is None for server in node.servers):
        return node
    return replace(node, servers=tuple(_by_uuid(server, gpus) for server in node.servers))


def _by_uuid(server: Server, gpus: list[str]) -> Server:
    if server.gpus is None:
        return server
    return replace(server, gpus=tuple(_uuid(device, gpus) for device in server.gpus))


def _uuid(device: str, gpus: list[str]) -> str:
    known = device.isdecimal() and int(device) < len(gpus) and gpus[int(device)] != NOBODY
    return gpus[int(device)] if known else device


def _one_each(node: Node, how: PerDevice, facts: Facts) -> Iterable[Server]:
    for number, entry in enumerate(facts.get(GPUS if how.kind == "gpu" else MIGS, "").split()):
        gpu, _, uuid = entry.rpartition(":")
        if entry != NOBODY and (how.gpus is None or int(gpu) in how.gpus):
            yield nth_server(node.name, node.serve_address, how.first_port, number, (uuid,))


def lost(node: Node, facts: Facts) -> dict[ServerId, str]:
    """The servers of a node whose devices are not to be had now, each with the reason as a sentence.

    Without a look at the node nothing is known to be lost.
    """
    if "gpus" not in facts:
        return {}
    reasons = {server.id: _missing(server, facts) for server in node.servers if server.gpus}
    return {server: reason for server, reason in reasons.items() if reason}


def _missing(server: Server, facts: Facts) -> str:
    listed = devices(facts)
    there = {gpu.uuid: gpu.trouble for gpu in listed} | {
        mig.uuid: gpu.trouble for gpu in listed for mig in gpu.mig
    }
    for device in server.gpus or ():
        if device.isdecimal():
            return f"there is no GPU {device}: nvidia-smi lists {len(listed)}"
        if device not in there:
            return f"nvidia-smi does not list its {device}"
        if there[device]:
            return f"its {device}: {there[device]}"
    return ""


def all_lost(spec: Spec, facts: Mapping[str, Facts]) -> dict[ServerId, str]:
    """The servers of a whole cluster whose devices are not to be had."""
    return {
        server: reason
        for node in spec.nodes
        for server, reason in lost(node, facts.get(node.name, {})).items()
    }


def divided(node: Node, facts: Facts) -> dict[ServerId, str]:
    """The servers of a node that were given a whole GPU which MIG divides: CUDA shows them one part of it."""
    parted = {gpu.uuid: gpu.index for gpu in devices(facts) if gpu.mig_enabled}
    found = {s.id: [parted[device] for device in s.gpus or () if device in parted] for s in node.servers}
    return {
        server: f"its GPU {gpus[0]} is divided by MIG, and it sees one part of it alone"
        for server, gpus in found.items()
        if gpus
    }


def without_device(node: Node, facts: Facts) -> str:
    """Why a node that is to have a server for each device has none; "" when it has, or nobody has looked."""
    if node.per_device is None or node.servers or "gpus" not in facts:
        return ""
    what = "GPU" if node.per_device.kind == "gpu" else "MIG device"
    trouble = f": {facts['gpus.trouble']}" if facts.get("gpus.trouble") else ""
    return f"{node.per_device}, and nvidia-smi lists no {what}{trouble}"
