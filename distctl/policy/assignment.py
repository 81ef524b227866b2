"""What a server's devices are called, and whether Triton sees those that it was given.

Triton's own metrics name the GPUs that CUDA shows it. No such lines are no mismatch: on a CPU there are none,
and with MIG devices Triton often has none to tell or names the whole GPU.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from distctl.cluster.gpu import Gpu, MigDevice, devices
from distctl.cluster.spec import Server

SHORT = len("GPU-01234567")  # of a UUID, as much as tells devices of one node apart


def called(server: Server, facts: Mapping[str, str]) -> str:
    """A server's devices in a few words, "" when it sees all: `0 GPU-5a1b2c3d`, `none`."""
    if server.gpus is None:
        return ""
    names = _names(facts)
    return ", ".join(names.get(device, device[:SHORT]) for device in server.gpus) or "none"


def _names(facts: Mapping[str, str]) -> dict[str, str]:
    gpus = {gpu.uuid: f"{gpu.index} {gpu.uuid[:SHORT]}" for gpu in devices(facts)}
    parts = {m.uuid: f"{gpu.index}.{m.index} {m.profile or m.uuid[:SHORT]}" for gpu, m in _migs(facts)}
    return gpus | parts


def mismatch(server: Server, reported: Collection[str], facts: Mapping[str, str]) -> str:
    """How what Triton reports differs from what its server was given, as a sentence; "" when it does not."""
    if server.gpus is None or not reported:
        return ""
    parents = {mig.uuid: gpu.uuid for gpu, mig in _migs(facts)}
    given = {parents.get(device, device) for device in server.gpus}
    seen = {parents.get(device, device) for device in reported}
    if seen == given:
        return ""
    return f"Triton sees {', '.join(sorted(reported))} and was given {', '.join(server.gpus) or 'no GPU'}"


def _migs(facts: Mapping[str, str]) -> list[tuple[Gpu, MigDevice]]:
    return [(gpu, mig) for gpu in devices(facts) for mig in gpu.mig]
