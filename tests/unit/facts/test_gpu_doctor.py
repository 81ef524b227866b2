"""Each trouble of a GPU that servers would stumble on has a verdict that names it and what mends it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distctl.cluster.spec import Connection, Node, PerDevice, Runtime, RuntimeKind, Server, ServerId
from distctl.facts.doctor import Level, verdicts
from distctl.facts.triton_releases import RELEASES, driver_level, needs, python_of, release_of
from distctl.facts.xids import MEANINGS, meaning

SERVER = Server(ServerId("gpu01", "default"), "10.0.1.11", 9000, 9001, 9002)
NODE = Node("gpu01", Connection.SSH, "10.0.1.11", "10.0.1.11", servers=(SERVER,))
CONTAINER = replace(NODE, runtime=Runtime(RuntimeKind.CONTAINER))
IMAGE = "nvcr.io/nvidia/tritonserver:24.10-py3"
GIB = 1024**3
GOOD = {
    "gpus": "1",
    "gpus.cards": "1",
    "gpus.xids": "",
    "gpu.0.name": "NVIDIA A100-SXM4-80GB",
    "gpu.0.uuid": "GPU-5a1c",
    "gpu.0.driver": "560.35.03",
    "gpu.0.pci": "0000:3b:00.0",
    "gpu.0.memory": str(80 * GIB),
    "gpu.0.used": "0",
    "gpu.0.capability": "8.0",
    "gpu.0.persistence": "yes",
    "gpu.0.mig": "disabled",
    "gpu.0.processes": "",
}
NAME = "GPU 0 (NVIDIA A100-SXM4-80GB)"


def bad(facts: dict[str, str], node: Node = NODE, **more):
    return [v for v in verdicts(node, facts, **more) if v.level is not Level.OK]


@pytest.mark.parametrize("node", [NODE, CONTAINER])
def test_a_good_gpu_is_good_news(node):
    (found,) = verdicts(node, GOOD, image=IMAGE)
    assert (found.level, found.what) == (Level.OK, "1 GPU: NVIDIA A100-SXM4-80GB, driver 560.35.03")


@pytest.mark.parametrize(
    ("change", "level", "what", "remedy"),
    [
        ({"gpu.0.persistence": "no"}, Level.WARN, "persistence mode is off on GPU 0", "nvidia-smi -pm 1"),
        (
            {"gpu.0.mig": "enabled"},
            Level.FAIL,
            f"{NAME}: MIG is on and it has no MIG device",
            "sudo nvidia-smi -i 0 -mig 0",
        ),
        (
            {"gpu.0.ecc.uncorrected": "1"},
            Level.WARN,
            f"{NAME}: 1 uncorrected memory error since its driver was loaded",
            "--gpu-reset -i 0",
        ),
        (
            {"gpu.0.remap": "pending"},
            Level.WARN,
            "a repair of its memory waits for a reset",
            "distctl drain gpu01",
        ),
        ({"gpu.0.remap": "pending failed"}, Level.FAIL, "its memory could not be repaired", "card replaced"),
        (
            {"gpu.0.throttled": "hw_slowdown hw_thermal"},
            Level.WARN,
            "it is too hot or has too little",
            "airflow",
        ),
        ({"gpu.0.throttled": "sw_thermal"}, Level.WARN, "its clocks are held down: it is too hot", "airflow"),
        (
            {"gpu.0.throttled": "power_brake"},
            Level.WARN,
            "power supply asks for it",
            "check the power supply",
        ),
        (
            {"gpu.0.advice": "Drain and Reset"},
            Level.FAIL,
            "its driver asks for: Drain and Reset",
            "--gpu-reset",
        ),
        ({"gpu.0.trouble": "GPU is lost"}, Level.FAIL, f"{NAME}: GPU is lost", "drain gpu01 and reboot"),
        (
            {"gpu.0.processes": f"77=python3:{30 * GIB}:12 78=x:{GIB}:"},
            Level.WARN,
            f"{NAME}: others hold 31744 MiB of its 81920 MiB: python3 (pid 77, 30720 MiB), x (pid 78, 1024 MiB)",
            "end them, or leave it out of `servers.gpus`",
        ),
        (
            {"gpus.xids": "0000:3b:00=79@300"},
            Level.FAIL,
            f"{NAME}: Xid 79 5 min ago: the card has fallen off the bus",
            "distctl drain gpu01, reboot it",
        ),
        (
            {"gpus.xids": "0000:3b:00=31@18000"},
            Level.WARN,
            f"{NAME}: Xid 31 5 h ago: a model's kernel touched memory",
            "restart what used it",
        ),
        (
            {"gpus.xids": "0000:9b:00=79@60"},
            Level.FAIL,
            "the card at 0000:9b:00: Xid 79 1 min ago",
            "distctl drain gpu01, reboot it",
        ),
        (
            {"gpus.xids": "0000:3b:00=999@60"},
            Level.WARN,
            "Xid 999 1 min ago: an error of the driver",
            "look up Xid 999",
        ),
        (
            {"gpus.trouble": "Failed to initialize NVML: Driver/library version mismatch"},
            Level.FAIL,
            "version mismatch",
            "the driver was upgraded under gpu01: reboot it, or stop what uses the GPUs, sudo rmmod",
        ),
        ({"gpus.dcgm": "failure"}, Level.FAIL, "DCGM's health check: failure", "dcgmi health -g 0 -c"),
        ({"gpus.dcgm": "warning"}, Level.WARN, "DCGM's health check: warning", "dcgmi health -g 0 -c"),
        (
            {"gpus.trouble": "WARNING: infoROM is corrupted at gpu 0000:3B:00.0"},
            Level.FAIL,
            "infoROM is corrupted",
            "card replaced",
        ),
    ],
)
def test_what_a_server_would_stumble_on(change, level, what, remedy):
    found = bad({**GOOD, **change})
    assert [(v.level, what in v.what, remedy in v.remedy) for v in found] == [(level, True, True)]


@pytest.mark.parametrize(
    ("facts", "level", "what", "remedy"),
    [
        ({"gpus": "0", "gpus.cards": "0"}, Level.OK, "no GPU: models run on CPU", ""),
        ({"gpus": "0"}, Level.OK, "no GPU: models run on CPU", ""),
        (
            {"gpus": "0", "gpus.trouble": "an earlier nvidia-smi hangs in the driver"},
            Level.FAIL,
            "hangs",
            "reboot",
        ),
        (
            {"gpus": "0", "gpus.cards": "2"},
            Level.WARN,
            "2 NVIDIA cards and no nvidia-smi",
            "install NVIDIA's driver on gpu01",
        ),
        (
            {"gpus": "0", "gpus.cards": "1", "gpus.trouble": "nvidia-smi does not answer within 10 s"},
            Level.FAIL,
            "nvidia-smi does not answer within 10 s",
            "distctl drain gpu01 and reboot it",
        ),
        (
            {
                "gpus": "0",
                "gpus.cards": "1",
                "gpus.trouble": "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
            },
            Level.FAIL,
            "couldn't communicate",
            "sudo modprobe nvidia",
        ),
        (
            {"gpus": "0", "gpus.cards": "0", "gpus.trouble": "No devices were found"},
            Level.WARN,
            "No devices",
            "dmesg",
        ),
    ],
)
def test_a_node_without_a_gpu_that_answers(facts, level, what, remedy):
    (found,) = verdicts(NODE, facts)
    assert (found.level, what in found.what, remedy in found.remedy) == (level, True, True)


@pytest.mark.parametrize(
    ("change", "own"),
    [
        ({"gpu.0.processes": f"77=tritonserver:{30 * GIB}:"}, {77}),
        ({"gpu.0.processes": f"79=triton_python_backend_stub:{30 * GIB}:77,12"}, {77}),  # a child of ours
        ({"gpu.0.processes": f"77=Xorg:{100 * 1024**2}:"}, set()),  # a desktop
        ({"gpus.xids": "0000:3b:00=79@90000"}, set()),  # more than a day ago
        ({"gpu.0.ecc.corrected": "9", "gpu.0.ecc.uncorrected.ever": "9"}, set()),
    ],
)
def test_what_is_no_trouble(change, own):
    assert bad({**GOOD, **change}, own_pids=own) == []


def test_a_node_that_waits_for_its_first_gpu_is_told_why_it_sees_none():
    waiting = replace(NODE, servers=(), per_device=PerDevice("gpu", 9000))
    (found,) = bad({"gpus": "0", "gpus.cards": "1"}, waiting)
    assert found.what == "1 NVIDIA card and no nvidia-smi: models run on CPU"


def test_nothing_is_said_of_a_gpu_that_no_server_sees():
    facts = GOOD | {
        name.replace("gpu.0.", "gpu.1."): value for name, value in GOOD.items() if "gpu.0." in name
    }
    facts |= {"gpu.1.uuid": "GPU-77de", "gpu.1.pci": "0000:5e:00.0", "gpu.1.persistence": "no"}
    facts |= {"gpus.xids": "0000:5e:00=79@60", "gpu.1.mig.0.uuid": "MIG-1"}
    seeing = {
        gpus: replace(NODE, servers=(replace(SERVER, gpus=gpus),))
        for gpus in (("0",), ("1",), ("GPU-77de",), ("MIG-1",))
    }
    assert bad(facts, seeing["0",]) == []
    assert all(len(bad(facts, node)) == 2 for gpus, node in seeing.items() if gpus != ("0",))


@pytest.mark.parametrize(
    "node", [replace(NODE, servers=()), replace(NODE, runtime=Runtime(RuntimeKind.EXTERNAL))]
)
def test_nothing_is_said_of_gpus_where_no_server_of_ours_runs(node):
    assert bad({**GOOD, "gpu.0.trouble": "GPU is lost"}, node) == []


@pytest.mark.parametrize(
    ("driver", "name", "image", "level"),
    [
        ("560.35.03", "NVIDIA A100-SXM4-80GB", True, Level.OK),
        ("570.133.20", "NVIDIA GeForce RTX 4090", True, Level.OK),
        ("535.129.03", "NVIDIA A100-SXM4-80GB", True, Level.OK),  # by the image's compatibility package
        ("535.54.03", "NVIDIA A100-SXM4-80GB", True, Level.WARN),  # before 535.86
        ("535.129.03", "NVIDIA GeForce RTX 4090", True, Level.WARN),
        ("535.129.03", "NVIDIA A100-SXM4-80GB", False, Level.WARN),  # there is no such package
        ("550.54.15", "Tesla T4", True, Level.OK),
        ("545.23.08", "Tesla T4", True, Level.WARN),
        ("470.82.01", "Tesla V100-SXM2-16GB", True, Level.OK),
        ("470.57", "Tesla V100-SXM2-16GB", True, Level.OK),
        ("470.82.01", "GeForce GTX 1080", True, Level.FAIL),
        ("510.47.03", "Tesla V100-SXM2-16GB", True, Level.FAIL),
        ("", "Tesla T4", True, Level.OK),
        ("unknown", "Tesla T4", True, Level.OK),
    ],
)
def test_a_driver_against_24_10(driver, name, image, level):
    assert driver_level(RELEASES[24, 10], driver, name, image=image) is level


def test_an_old_driver_is_told_once_and_fails_a_container_alone():
    facts = {**GOOD, "gpu.0.driver": "510.47.03"}
    facts |= {name.replace("gpu.0.", "gpu.1."): value for name, value in facts.items() if "gpu.0." in name}
    (found,) = bad(facts, CONTAINER, image=IMAGE)
    assert found.level is Level.FAIL and found.remedy == "install driver 560 or newer"
    assert (
        found.what == "driver 510.47.03 is older than Triton 24.10 (CUDA 12.6) wants: its CUDA does not start"
    )
    assert [v.level for v in bad(facts)] == [Level.WARN]
    assert bad(facts, replace(NODE, runtime=Runtime(path="/opt/tritonserver"))) == []
    assert bad(facts, CONTAINER, image="registry.example.com/triton:mine") == []


def test_a_gpu_that_is_too_old_for_the_release():
    facts = {**GOOD, "gpu.0.capability": "7.0", "gpu.0.driver": "580.65.06"}
    (found,) = bad(facts, CONTAINER, image="nvcr.io/nvidia/tritonserver:25.08-py3")
    assert found.level is Level.FAIL
    assert found.what == f"{NAME} has compute capability 7.0, and Triton 25.08 needs 7.5"
    assert bad(facts, CONTAINER, image=IMAGE) == []
    assert bad({**facts, "gpu.0.capability": "10.0"}, CONTAINER, image=IMAGE) == []


@pytest.mark.parametrize(
    ("image", "release"),
    [
        (IMAGE, (24, 10)),
        ("x/tritonserver:25.08-vllm-python-py3", (25, 8)),
        ("x/tritonserver:latest", None),
        ("", None),
    ],
)
def test_the_release_in_an_images_tag(image, release):
    assert release_of(image) == release


@pytest.mark.parametrize(
    ("tag", "python"),
    [
        *[("22.12-py3", ""), ("23.08-py3", "3.10"), ("24.10-py3", "3.10"), ("24.11-py3", "3.12")],
        *[("25.08-vllm-python-py3", "3.12"), ("latest", "")],
    ],
)
def test_the_python_of_an_image_of_nvidias(tag, python):
    assert python_of(f"nvcr.io/nvidia/tritonserver:{tag}") == python


def test_a_release_between_two_rows_has_the_needs_of_the_earlier_one():
    assert needs((24, 12)) is RELEASES[24, 10]
    assert needs((20, 1)) is None


@pytest.mark.parametrize("number", [13, 31, 43, 48, 61, 62, 63, 64, 74, 79, 94, 95, 119])
def test_the_common_xids_have_a_meaning_and_a_remedy_that_names_the_node(number):
    said = meaning(number)
    assert said is MEANINGS[number]
    assert "gpu01" in said.remedy.format(node="gpu01", which=" -i 0")
