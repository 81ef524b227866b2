"""What a node's servers are: `per` and `gpus` taken together, or what is unclear about them.

What can be known from the file stands in the spec at once; `per: gpu` and `per: mig` without numbers wait for
a look at the node (`policy.devices`).
"""

from __future__ import annotations

from collections.abc import Sequence

from distctl.cluster.spec import MOST_DEVICES, PORT_STEP, PerDevice, Server, nth_server
from distctl.config.servers import Choice, NoServers, ServersSection

FIRST_PORT = 9000
LAST_FIRST_PORT = 65535 - PORT_STEP * (MOST_DEVICES - 1) - 2  # so that every device's server has its ports
VISIBLE = "CUDA_VISIBLE_DEVICES"

Devices = tuple[str, ...]


class Unclear(Exception):
    """Two keys that do not go together: the one to point at, what is wrong, what to write instead."""

    def __init__(self, key: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.key, self.message, self.hint = key, message, hint


def servers_of(node: str, host: str, said: ServersSection) -> tuple[tuple[Server, ...], PerDevice | None]:
    """The servers that are known now, or how they are found once the node was seen. Raises Unclear."""
    if isinstance(said, NoServers):
        return (), None
    first = said.ports or FIRST_PORT
    if isinstance(said.per, str):
        chosen = _chosen(said)
        if said.per == "gpu" and chosen is not None:
            return tuple(nth_server(node, host, first, n, (str(n),)) for n in sorted(chosen)), None
        if first > LAST_FIRST_PORT:
            raise Unclear(
                "ports",
                f"{first} leaves no room for a server on each of many devices",
                f"at most {LAST_FIRST_PORT}",
            )
        return (), PerDevice(said.per, first, chosen)
    sets = _sets(said.per or 1, said.gpus)
    return tuple(nth_server(node, host, first, n, gpus) for n, gpus in enumerate(sets)), None


def _chosen(said: ServersSection) -> tuple[int, ...] | None:
    """The numbers of the GPUs that get servers; None is all of them."""
    what = "server for each GPU" if said.per == "gpu" else "server for each MIG device"
    if said.gpus is None or said.gpus == "all":
        return None
    if said.gpus == "none":
        raise Unclear("gpus", f"a {what}, and no GPU", "write per: node for a server without a GPU")
    if any(not isinstance(entry, str) or not entry.isdecimal() for entry in said.gpus):
        hint = f"write per: {len(said.gpus)} to say what each server sees"
        raise Unclear("gpus", f"a {what} takes numbers of GPUs, not UUIDs or lists", hint)
    _once(tuple(str(entry) for entry in said.gpus))
    return tuple(int(str(entry)) for entry in said.gpus)


def _sets(count: int, gpus: Choice | None) -> Sequence[Devices | None]:
    """What each of `count` servers sees; None is every GPU."""
    if isinstance(gpus, str) or gpus is None:
        return [() if gpus == "none" else None] * count
    lists = tuple(entry for entry in gpus if isinstance(entry, tuple))
    sets = _nested(count, lists) if lists else _flat(count, tuple(map(str, gpus)))
    for one in sets:
        _once(one)
    return sets


def _nested(count: int, lists: tuple[Devices, ...]) -> Sequence[Devices]:
    if len(lists) != count:
        message = f"{len(lists)} lists of GPUs for {count} server{'s' * (count > 1)}"
        raise Unclear("gpus", message, f"write per: {len(lists)}, or a list for each server")
    return lists


def _flat(count: int, gpus: Devices) -> Sequence[Devices]:
    """One server sees them all; several get one each, when there are as many."""
    if count == 1:
        return [gpus]
    if len(gpus) == count:
        return [(gpu,) for gpu in gpus]
    message = f"{len(gpus)} GPU{'s' * (len(gpus) > 1)} for {count} servers"
    hint = "write one for each, or a list for each: [[0, 1], [2, 3]]"
    if len(gpus) % count == 0:
        each = len(gpus) // count
        lists = [", ".join(gpus[n : n + each]) for n in range(0, len(gpus), each)]
        hint = f"write a list for each: [{', '.join(f'[{one}]' for one in lists)}]"
    raise Unclear("gpus", message, hint)


def _once(devices: Devices) -> None:
    for device in devices:
        if devices.count(device) > 1:
            raise Unclear("gpus", f"GPU {device} twice for one server", "keep it once")
    if len(devices) > 1 and any(device.startswith("MIG-") for device in devices):
        # CUDA shows a process one MIG device at most: NVIDIA's MIG user guide, "CUDA_VISIBLE_DEVICES".
        raise Unclear(
            "gpus",
            "several devices for one server, a MIG device among them",
            "CUDA shows a process one MIG device: write one for each server",
        )


def refuse_conflicts(said: ServersSection, *, external: bool, environment: Sequence[str]) -> None:
    """Raise Unclear where the choice of GPUs meets a runtime that cannot follow it, or another word on it."""
    divided = said.per in ("gpu", "mig") or said.gpus not in (None, "all")
    if not divided:
        return
    key = "gpus" if said.gpus not in (None, "all") else "per"
    if external:
        raise Unclear(
            key,
            "an external server is not started, so its GPUs cannot be chosen",
            "write servers: {per: node, gpus: all} there",
        )
    if VISIBLE in environment:
        raise Unclear(key, f"`runtime.environment` sets {VISIBLE} too", "remove it there")
