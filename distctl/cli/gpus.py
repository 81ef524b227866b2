"""The GPUs of a node as `status` shows them, one row each: as they were at the last look at the node."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distctl.cluster.gpu import Gpu
    from distctl.policy.standing import NodeStanding

GPU_COLUMNS = ("node", "gpu", "name", "memory", "mig", "why")
GIB = 1024**3


def gpu_rows(nodes: Iterable[NodeStanding]) -> list[tuple[object, ...]]:
    """Rows for `GPU_COLUMNS`; memory is used of all, in GiB, and empty where the GPU does not tell it."""
    return [
        (n.node.name, gpu.index, gpu.name, _memory(gpu), _mig(gpu), gpu.complaint)
        for n in nodes
        for gpu in n.gpus
    ]


def _memory(gpu: Gpu) -> str:
    return f"{gpu.used / GIB:.1f}/{gpu.memory / GIB:.0f} GiB" if gpu.memory else ""


def _mig(gpu: Gpu) -> str:
    return ",".join(device.profile or device.uuid for device in gpu.mig)


def gpu_documents(gpus: Iterable[Gpu]) -> list[dict[str, Any]]:
    """For `status -o json`; memory in bytes, null where it was not told."""
    return [
        {
            "index": gpu.index,
            "uuid": gpu.uuid,
            "name": gpu.name,
            "driver": gpu.driver,
            "memory": gpu.memory or None,
            "used": gpu.used if gpu.memory else None,
            "mig": [{"uuid": m.uuid, "profile": m.profile, "memory": m.memory or None} for m in gpu.mig],
            "trouble": gpu.complaint,
        }
        for gpu in gpus
    ]
