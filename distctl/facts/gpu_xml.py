"""What `nvidia-smi -q -x` says of each GPU, of every driver generation since 418.

The text may be cut short, follow a warning, or hold values such as `N/A`, `ERR!` or `GPU is lost`; so it is
read tag by tag, as far as it goes, and what is no number is left out.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Mapping

from distctl.facts.gpu_rows import MIB
from distctl.facts.probe import Facts, number, only

Leaf = tuple[str, str]  # where in its GPU, with slashes, and its text

# A text that no tag follows was cut short.
_TAG = re.compile(r"<(/?)(\w+)[^<>]*?(/?)>([^<]*)(?=<)")
_MIB = re.compile(r"(\d+) MiB")
_REASON = re.compile(r"clocks_(?:throttle|event)_reasons/clocks_(?:throttle|event)_reason_(\w+)")

# Reasons for low clocks that are worth a word. A cap on power, idleness and chosen clocks are everyday.
THROTTLES = {
    "hw_slowdown": "hw_slowdown",
    "hw_thermal_slowdown": "hw_thermal",
    "hw_power_brake_slowdown": "power_brake",
    "sw_thermal_slowdown": "sw_thermal",
}
_COUNTS = {
    "ecc.corrected": r"ecc_errors/volatile/(?:single_bit/total|[sd]ram_correctable)",
    "ecc.uncorrected": r"ecc_errors/volatile/(?:double_bit/total|[sd]ram_uncorrectable\w*)",
    "ecc.corrected.ever": r"ecc_errors/aggregate/(?:single_bit/total|[sd]ram_correctable)",
    "ecc.uncorrected.ever": r"ecc_errors/aggregate/(?:double_bit/total|[sd]ram_uncorrectable\w*)",
    "retired": r"retired_pages/\w+_retirement/retired_count|remapped_rows/remapped_row_(?:corr|unc)",
}
_REMAPS = {
    "retired_pages/pending_retirement": "pending",
    "remapped_rows/remapped_row_pending": "pending",
    "ecc_errors/channel_repair_pending": "pending",
    "ecc_errors/tpc_repair_pending": "pending",
    "remapped_rows/remapped_row_failure": "failed",
    "ecc_errors/unrepairable_memory": "failed",
    "ecc_errors/aggregate/sram_threshold_exceeded": "failed",
}
# What drivers before 565, which knew no recovery action, said instead.
_ADVICE = {
    "gpu_reset_status/drain_and_reset_recommended": "Drain and Reset",
    "gpu_reset_status/reset_required": "Reset",
}
_NOTHING = ("", "None", "N/A")


def parse_details(text: str, indexes: Mapping[str, str], parents: Mapping[str, str]) -> Facts:
    """`gpu.N.*` for the GPUs whose UUID is in `indexes` (UUID to N); no other GPU is made of this text.

    `parents` has for each pid its forefathers. The node's `gpus.cuda` is what its driver offers.
    """
    node, gpus = _cut(_leaves(text))
    facts = only({"gpus.cuda": _version(dict(node).get("nvidia_smi_log/cuda_version", ""))})
    for leaves in gpus:
        index = indexes.get(dict(leaves).get("uuid", ""))
        if index is not None:
            said = _of_gpu(leaves, parents)
            facts |= {f"gpu.{index}.{name}": value for name, value in said.items()}
    return facts


def _leaves(text: str) -> Iterator[Leaf]:
    """Every text that stands directly behind a tag, with the path of tags that are open there."""
    path: list[str] = []
    for closing, name, empty, body in _TAG.findall(text):
        if closing:
            while path and path.pop() != name:
                pass
        else:
            yield "/".join([*path, name]), "" if empty else html.unescape(body.strip())
            path += [] if empty else [name]


def _cut(leaves: Iterable[Leaf]) -> tuple[list[Leaf], list[list[Leaf]]]:
    """What is said of the node, and of each GPU."""
    node: list[Leaf] = []
    gpus: list[list[Leaf]] = []
    for path, body in leaves:
        if path == "nvidia_smi_log/gpu":
            gpus.append([])
        elif path.startswith("nvidia_smi_log/gpu/") and gpus:
            gpus[-1].append((path.removeprefix("nvidia_smi_log/gpu/"), body))
        else:
            node.append((path, body))
    return node, gpus


def _of_gpu(leaves: list[Leaf], parents: Mapping[str, str]) -> Facts:
    said = dict(leaves)
    persistence = {"Enabled": "yes", "Disabled": "no"}.get(said.get("persistence_mode", ""))
    mig = {"Enabled": "enabled", "Disabled": "disabled"}.get(said.get("mig_mode/current_mig", ""))
    facts = only(
        {
            "persistence": persistence,
            "mig": mig,
            "advice": _advice(said),
            **{name: _sum(pattern, leaves) for name, pattern in _COUNTS.items()},
        }
    )
    facts |= _flags("throttled", [_throttle(*leaf) for leaf in leaves])
    facts |= _flags("remap", [_remap(*leaf) for leaf in leaves])
    facts |= _mig_memory(leaves)
    if "processes" in said:
        facts["processes"] = " ".join(_processes(leaves, parents))
    return facts


def _advice(said: Mapping[str, str]) -> str | None:
    action = said.get("gpu_recovery_action", "")
    if action not in _NOTHING:
        return action
    return next((word for path, word in _ADVICE.items() if said.get(path) == "Yes"), None)


def _flags(name: str, found: Iterable[str | None]) -> Facts:
    """A fact of words; None stands for one that was not told, an empty word for one that is not so."""
    told = [word for word in found if word is not None]
    return {name: " ".join(dict.fromkeys(filter(None, told)))} if told else {}


def _throttle(path: str, body: str) -> str | None:
    match = _REASON.fullmatch(path)
    if not match or match.group(1) not in THROTTLES or body not in ("Active", "Not Active"):
        return None
    return THROTTLES[match.group(1)] if body == "Active" else ""


def _remap(path: str, body: str) -> str | None:
    return {"Yes": _REMAPS[path], "No": ""}.get(body) if path in _REMAPS else None


def _sum(pattern: str, leaves: list[Leaf]) -> int | None:
    counts = [number(body) for path, body in leaves if re.fullmatch(pattern, path)]
    told = [count for count in counts if count is not None]
    return sum(told) if told else None


def _mig_memory(leaves: list[Leaf]) -> Facts:
    """`mig.M.memory`, of the devices as they come: an index, then its memory."""
    facts: Facts = {}
    index = None
    for path, body in leaves:
        if path == "mig_devices/mig_device/index":
            index = number(body)
        elif path == "mig_devices/mig_device/fb_memory_usage/total" and index is not None:
            facts |= only({f"mig.{index}.memory": _bytes(body)})
    return facts


def _processes(leaves: list[Leaf], parents: Mapping[str, str]) -> Iterator[str]:
    """`PID=NAME:BYTES:PARENTS` of each process once; a MIG device's processes are listed like any other."""
    found: dict[str, dict[str, str]] = {}
    pid = ""
    for path, body in leaves:
        field = path.removeprefix("processes/process_info/")
        if field == "pid" and number(body) is not None:
            pid = body
            found[pid] = {}
        elif pid and path != field:
            found[pid][field] = body
    for pid, said in found.items():
        name = re.sub(r"[\s:=]+", "_", said.get("process_name", "").rpartition("/")[2]) or "?"
        yield f"{pid}={name}:{_bytes(said.get('used_memory', '')) or 0}:{parents.get(pid, '')}"


def _bytes(text: str) -> int | None:
    match = _MIB.fullmatch(text)
    return int(match.group(1)) * MIB if match else None


def _version(text: str) -> str:
    return text if re.fullmatch(r"\d+\.\d+", text) else ""
