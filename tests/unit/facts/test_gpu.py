"""GPUs of every driver generation as they were recorded (recorded/README.md), broken and cut short."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distctl.cluster.gpu import Errors, MigDevice, Process, Xid
from distctl.facts.gpu import devices, parse_gpus
from distctl.facts.gpu_log import parse_log

RECORDED = Path(__file__).parent / "recorded"
MIB = 1024**2
GIB = 1024**3

V100S = "GPU-76098dc1-0000-0000-0000-f7b48837829e"
ROWS = {path.stem: path.read_text(encoding="utf-8").rstrip("\n") for path in sorted(RECORDED.glob("*.csv"))}


def recorded(name: str) -> str:
    return (RECORDED / name).read_text(encoding="utf-8")


def section(rows: str, xml: str = "", listed: str = "", parents: str = "", status: int = 0) -> str:
    """The whole section, as the script prints it on a machine with a driver."""
    return (
        f"{rows}\n== status {status}\n== xml\n{xml}\n== status 0\n== list\n{listed}\n== status 0\n"
        f"== parents\n{parents}\n== cards 1\n== toolkit nvidia-ctk\n== toolkit cdi\n"
    )


def whole(name: str) -> str:
    """The section of a machine of which rows and XML were recorded, and the list where it has MIG devices."""
    listed = RECORDED / f"{name}.list.txt"
    return section(
        ROWS[name], recorded(f"{name}.xml"), listed.read_text(encoding="utf-8") if listed.exists() else ""
    )


WHOLE = {name: whole(name) for name in ROWS}


def only_gpu(text: str):
    (gpu,) = devices(parse_gpus(text))
    return gpu


@pytest.mark.parametrize(
    ("name", "index", "memory", "capability", "persistence", "errors", "cuda"),
    [
        ("v100s-460", 0, 32510, (), False, Errors(), "11.2"),
        ("gtx1050-515", 0, 4096, (6, 1), True, Errors(), "11.7"),
        ("t4-515", 0, 15360, (7, 5), False, Errors(), "11.7"),
        ("a100-mig-535", 0, 81920, (8, 0), False, Errors(), "12.2"),
        ("rtx4000ada-595", 0, 20475, (8, 9), True, Errors(), "13.2"),
        ("p4-vgpu-513", 0, 1024, (6, 1), None, Errors(), "11.6"),
    ],
)
def test_every_generation_of_driver_is_read(name, index, memory, capability, persistence, errors, cuda):
    facts = parse_gpus(WHOLE[name])
    (gpu,) = devices(facts)
    row = ROWS[name].split(", ")
    assert (gpu.index, gpu.uuid, gpu.name, gpu.driver) == (index, row[4], row[0], row[3])
    assert (gpu.memory, gpu.used) == (memory * MIB, int(row[2]) * MIB)
    assert gpu.pci == row[6].removeprefix("0000").lower()
    assert (gpu.capability, gpu.persistence, gpu.errors) == (capability, persistence, errors)
    assert (gpu.throttled, gpu.advice, gpu.trouble) == ((), "", "")
    assert {name: facts.get(f"gpus{name}") for name in ("", ".cuda", ".trouble", ".cards", ".toolkit")} == {
        "": "1",
        ".cuda": cuda,
        ".trouble": None,
        ".cards": "1",
        ".toolkit": "nvidia-ctk cdi",
    }


def test_counts_that_a_card_does_not_keep_are_no_facts_and_zeros_are():
    assert not [name for name in parse_gpus(WHOLE["rtx4000ada-595"]) if ".ecc." in name]
    kept = {name: value for name, value in parse_gpus(WHOLE["t4-515"]).items() if ".ecc." in name}
    assert kept == dict.fromkeys(
        [f"gpu.0.ecc.{which}{time}" for which in ("corrected", "uncorrected") for time in ("", ".ever")], "0"
    )


def test_mig_devices_have_uuid_profile_memory_and_parent():
    gpu = only_gpu(WHOLE["a100-mig-535"])
    assert gpu.mig_enabled and len(gpu.mig) == 4
    assert gpu.mig[3] == MigDevice(
        3, "MIG-36c795f2-0000-0000-0000-e535e79b7bb6", "1g.10gb", 19968 * MIB, parent=0
    )


def test_before_470_a_mig_device_is_named_by_its_gpu():
    row = "A100-PCIE-40GB, 40536, 0, 460.80, GPU-9de3d0e8-0000-0000-0000-0c79c288a7ab, 3, 00000000:81:00.0"
    gpu = only_gpu(section(row, listed=recorded("a100-460.list.txt")))
    assert [(d.index, d.profile, d.uuid.rpartition("-")[2], d.parent) for d in gpu.mig] == [
        (0, "4g.20gb", "0c79c288a7ab/2/0", 3),
        (1, "2g.10gb", "0c79c288a7ab/3/0", 3),
        (2, "1g.5gb", "0c79c288a7ab/9/0", 3),
    ]


def test_mig_devices_of_a_gpu_that_was_not_listed_are_left_out():
    facts = parse_gpus(section(ROWS["t4-515"], listed=recorded("a100-460.list.txt")))
    assert [gpu.mig for gpu in devices(facts)] == [()]


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("v100s-460", "<total>0</total>", "<total>2</total>", {"corrected": 2, "uncorrected": 2}),
        ("t4-515", "<dram_uncorrectable>0", "<dram_uncorrectable>7", {"uncorrected": 7}),
        (
            "rtx4000ada-595",
            "<sram_uncorrectable_parity>N/A",
            "<sram_uncorrectable_parity>1",
            {"uncorrected": 1},
        ),
        (
            "v100s-460",
            "<pending_retirement>No",
            "<pending_retirement>Yes",
            {"remap": ("pending",)},
        ),
        ("v100s-460", "<retired_count>0", "<retired_count>3", {"retired": 6}),
        ("rtx4000ada-595", "_row_pending>No", "_row_pending>Yes", {"remap": ("pending",)}),
        ("rtx4000ada-595", "_row_failure>No", "_row_failure>Yes", {"remap": ("failed",)}),
        ("rtx4000ada-595", "<remapped_row_unc>0", "<remapped_row_unc>4", {"retired": 4}),
        (
            "rtx4000ada-595",
            "channel_repair_pending>No",
            "channel_repair_pending>Yes",
            {"remap": ("pending",)},
        ),
    ],
)
def test_memory_errors_in_each_generations_words(name, old, new, expected):
    assert old in WHOLE[name]
    errors = only_gpu(WHOLE[name].replace(old, new)).errors
    assert {key: getattr(errors, key) for key in expected} == expected


@pytest.mark.parametrize("name", ["t4-515", "a100-mig-535"])  # clocks_throttle_reasons, clocks_event_reasons
@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("hw_thermal_slowdown", "hw_thermal"),
        ("sw_thermal_slowdown", "sw_thermal"),
        ("hw_power_brake_slowdown", "power_brake"),
        ("hw_slowdown", "hw_slowdown"),
    ],
)
def test_throttling_has_one_word_whatever_the_driver_calls_it(name, reason, word):
    text = re.sub(rf"(reason_{reason}>)Not Active", r"\1Active", WHOLE[name])
    assert only_gpu(text).throttled == (word,)


def test_idling_and_a_power_cap_are_everyday():
    text = re.sub(r"(reason_(sw_power_cap|gpu_idle)>)Not Active", r"\1Active", WHOLE["t4-515"])
    assert only_gpu(text).throttled == ()


@pytest.mark.parametrize(
    ("name", "old", "new", "advice"),
    [
        ("rtx4000ada-595", "action>None", "action>Drain and Reset", "Drain and Reset"),
        ("a100-mig-535", "<reset_required>No", "<reset_required>Yes", "Reset"),
    ],
)
def test_the_drivers_own_advice(name, old, new, advice):
    assert only_gpu(WHOLE[name].replace(old, new)).advice == advice


def test_processes_have_their_memory_and_forefathers():
    text = section(ROWS["gtx1050-515"], recorded("gtx1050-515.xml"), parents="30091 812 1 0\nx\n")
    assert only_gpu(text).processes == (Process(30091, "firefox", 1 * MIB, (812,)),)
    assert [p.memory for p in only_gpu(WHOLE["p4-vgpu-513"]).processes] == [0, 0]  # N/A
    assert only_gpu(WHOLE["a100-mig-535"]).processes == ()


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        (
            "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 570.124\n\n== status 18\n== cards 1",
            "Failed to initialize NVML: Driver/library version mismatch NVML library version: 570.124",
        ),
        (
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the "
            "latest NVIDIA driver is installed and running.\n\n== status 9\n== cards 2",
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.",
        ),
        ("No devices were found\n== status 6\n== cards 1", "No devices were found"),
        (
            "Unable to determine the device handle for GPU 0000:09:00.0: Unknown Error\n== status 255\n== cards 2",
            "Unable to determine the device handle for GPU 0000:09:00.0: Unknown Error",
        ),
        (
            "Unable to determine the device handle for GPU 0000:05:00.0: GPU is lost.  Reboot the system to recover this GPU\n== status 15\n== cards 2",
            "Unable to determine the device handle for GPU 0000:05:00.0: GPU is lost.  Reboot the system to recover this GPU",
        ),
        ("== status 137\n== cards 4", "nvidia-smi does not answer within 10 s"),
        ("\n\n== cards 4", "nvidia-smi does not answer within 10 s"),
        ("== stuck\n== cards 4", "an earlier nvidia-smi hangs in the driver"),
        ("== absent\n== cards 0", None),
        ("== absent\n== cards 1\n== dcgm\n== status 127", None),
    ],
)
def test_a_broken_driver_has_no_gpus_and_a_reason(text, trouble):
    facts = parse_gpus(text)
    assert (facts["gpus"], facts.get("gpus.trouble"), devices(facts)) == ("0", trouble, ())


def test_the_gpus_that_are_left_are_listed_beside_the_one_that_is_lost():
    lost = "Unable to determine the device handle for GPU1: 0000:0A:00.0: GPU is lost.  Reboot the system to recover this GPU"
    facts = parse_gpus(section(f"{ROWS['t4-515']}\n{lost}", status=15))
    assert facts["gpus"] == "1" and facts["gpus.trouble"] == lost


def test_a_gpu_that_answers_with_errors_is_in_trouble():
    row = f"Tesla T4, [GPU is lost], [GPU is lost], 535.129.03, {V100S}, 2, 00000000:3B:00.0, 7.5"
    gpu = only_gpu(section(row))
    assert (gpu.index, gpu.memory, gpu.trouble) == (2, 0, "GPU is lost")
    assert only_gpu(section(row.replace("[GPU is lost]", "ERR!"))).trouble == "ERR!"
    assert only_gpu(section(row.replace("[GPU is lost]", "[Not Supported]"))).trouble == ""


def test_a_warning_beside_whole_rows_is_told():
    facts = parse_gpus(section(f"{ROWS['t4-515']}\nWARNING: infoROM is corrupted at gpu 0000:00:1E.0"))
    assert facts["gpus"] == "1" and facts["gpus.trouble"].startswith("WARNING: infoROM is corrupted")


def test_indexes_are_those_of_nvidia_smi_and_not_places_in_the_list():
    rows = "\n".join([ROWS["t4-515"].replace(", 0, ", ", 3, "), ROWS["v100s-460"].replace(", 0, ", ", 1, ")])
    assert [(g.index, g.uuid) for g in devices(parse_gpus(section(rows)))] == [
        (1, V100S),
        (3, "GPU-d37e67a5-0000-0000-0000-99096249601a"),
    ]


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("| Overall Health            | Healthy          |", "healthy"),
        ("| Overall Health: Warning                      |", "warning"),
        ("Error: Health watches not enabled. Please enable watches.", None),
        ("error: unable to establish a connection to the specified host: localhost", None),
    ],
)
def test_dcgms_verdict(said, word):
    assert parse_gpus(f"== absent\n== cards 1\n== dcgm\n{said}\n== status 0").get("gpus.dcgm") == word


def test_xids_are_the_last_of_each_kind_by_place_with_their_age():
    facts = parse_log(recorded("xids.txt"))
    assert facts["gpus.xids"].split() == [
        "0000:01:00=32@15872",
        "0000:01:00=31@15872",
        "0000:cb:00=13@9691",
        "0000:cb:00=109@9686",
        "0000:9b:00=94@5000",
        "0000:dc:00=45@1000",
        "0000:44:00=79@1",
    ]
    row = ROWS["t4-515"].replace("00000000:00:1E.0", "00000000:CB:00.0")
    (gpu,) = devices(parse_gpus(section(row)) | facts)
    assert gpu.xids == (Xid(109, 9686.0), Xid(13, 9691.0))


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("up 12.00\nread\n", {"gpus.xids": ""}),
        ("up 12.00\n\n", {}),  # neither log may be read
        ("", {}),
        (
            "up 12.00\nread\n[   11.5] NVRM: Xid (0000:03:00): 14, Channel 00000001\n",
            {"gpus.xids": "0000:03:00=14@0"},
        ),
    ],
)
def test_a_log_that_may_not_be_read_says_nothing(text, facts):
    assert parse_log(text) == facts


@pytest.mark.parametrize("name", WHOLE)
@given(data=st.data())
def test_a_section_that_was_cut_short_has_fewer_facts_and_no_other_gpu(name, data):
    text = WHOLE[name][: data.draw(st.integers(0, len(WHOLE[name])))]
    facts = parse_gpus(text)
    assert set(facts) <= set(parse_gpus(WHOLE[name]))
    assert {gpu.uuid for gpu in devices(facts)} <= set(re.findall(r"GPU-[0-9a-f-]{36}", ROWS[name]))


@pytest.mark.parametrize("name", WHOLE)
def test_every_recording_has_a_gpu_for_each_row(name):
    facts = parse_gpus(WHOLE[name])
    assert [gpu.uuid for gpu in devices(facts)] == re.findall(r"GPU-[0-9a-f-]{36}", ROWS[name])
    assert "gpus.cuda" in facts and "gpus.trouble" not in facts


WORDS = st.sampled_from(
    [
        "GPU-",
        "GPU 0: ",
        "MIG-",
        ",",
        "\n",
        "== status 0",
        "== xml",
        "== list",
        "== cards 3",
        "<gpu>",
        "</gpu>",
        "<uuid>",
        "<pid>",
        "Unknown Error",
        "没有找到设备",
        "Treiber nicht geladen",
        "[N/A]",
        "No devices were found",
    ]
)


@given(text=st.lists(WORDS | st.text(max_size=8), max_size=60).map("".join))
def test_no_text_makes_a_gpu_without_a_row_that_names_one(text):
    facts = parse_gpus(text)
    assert all(isinstance(value, str) for value in facts.values())
    rows = re.findall(r"^[^,\n]*(?:,[^,\n]*){3}, *(GPU-[\w-]+) *(?:,|$)", text, re.MULTILINE)
    assert len(devices(facts)) <= len(rows)
    assert int(facts["gpus"]) <= len(rows)


@given(text=st.text(), other=st.text())
def test_foreign_words_around_recorded_xml_change_no_identity(text, other):
    facts = parse_gpus(section(ROWS["t4-515"], text + recorded("t4-515.xml") + other))
    assert [gpu.uuid for gpu in devices(facts)] == ["GPU-d37e67a5-0000-0000-0000-99096249601a"]
