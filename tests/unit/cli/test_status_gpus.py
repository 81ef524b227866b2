"""`status` shows each GPU with its memory and what is wrong with it, as it was at the last look."""

from __future__ import annotations

import pytest
from rehearsal import node, spec

from distctl.cli.gpus import gpu_documents, gpu_rows
from distctl.cluster.gpu import Errors, Gpu, MigDevice
from distctl.cluster.record import Record
from distctl.cluster.snapshot import NodeSight, Snapshot
from distctl.policy.standing import standing

GIB = 1024**3
FACTS = {
    "gpu.0.name": "NVIDIA A100-SXM4-80GB",
    "gpu.0.uuid": "GPU-5a1c",
    "gpu.0.memory": str(80 * GIB),
    "gpu.0.used": str(GIB // 2),
    "gpu.1.name": "Tesla T4",
    "gpu.1.uuid": "GPU-77de",
    "gpu.1.trouble": "GPU is lost",
}
SPEC = spec([node("a"), node("b")], [])


@pytest.mark.parametrize(
    ("record", "nodes"),
    [
        (Record("r", facts={"a": FACTS}), {}),
        (Record("r"), {"a": NodeSight("a", True, facts=FACTS)}),
        (Record("r", facts={"a": FACTS}), {"a": NodeSight("a", False, error="timed out")}),
    ],
)
def test_gpus_come_from_the_last_look_at_their_node(record, nodes):
    found = standing(SPEC, record, Snapshot(0.0, nodes))
    assert gpu_rows(found.nodes) == [
        ("a", 0, "NVIDIA A100-SXM4-80GB", "0.5/80 GiB", "", ""),
        ("a", 1, "Tesla T4", "", "", "GPU is lost"),
    ]


def test_json_has_bytes_and_null_for_what_was_not_told():
    mig = MigDevice(0, "MIG-1", "3g.40gb", 40 * GIB, 0)
    known = Gpu(0, "GPU-5a1c", "A100", 80 * GIB, GIB, mig=(mig,))
    first, second = gpu_documents([known, Gpu(1, "GPU-77de", "T4", 0)])
    assert (first["memory"], first["used"], second["memory"], second["used"]) == (80 * GIB, GIB, None, None)
    assert first["mig"] == [{"uuid": "MIG-1", "profile": "3g.40gb", "memory": 40 * GIB}]


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        ({}, ""),
        ({"trouble": "GPU is lost", "advice": "Reboot"}, "GPU is lost"),
        ({"advice": "Drain and Reset"}, "the driver asks for: Drain and Reset"),
        ({"errors": Errors(uncorrected=2, remap=("pending",))}, "memory repair pending"),
        ({"errors": Errors(corrected=9, uncorrected=2)}, "2 memory errors"),
        ({"mig_enabled": True}, "MIG without devices"),
        ({"throttled": ("hw_thermal",)}, "throttled: hw_thermal"),
    ],
)
def test_the_worst_is_said_first(what, complaint):
    assert Gpu(0, "GPU-5a1c", "A100", GIB, **what).complaint == complaint
