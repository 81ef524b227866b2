"""Verdicts on a node's GPUs: what keeps servers from using them, and what will soon. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from distctl.cluster.gpu import Gpu, Process, devices, xids
from distctl.cluster.spec import Node, RuntimeKind
from distctl.facts.triton_releases import PUSHED, driver_level, needs, release_of
from distctl.facts.verdict import Facts, Level, Verdict
from distctl.facts.xids import RECENT, meaning

HELD = 512 * 1024**2  # bytes that others may hold without a word: a desktop, a monitor
MIB = 1024**2

_THROTTLES = {
    "hw_thermal": "it is too hot",
    "sw_thermal": "it is too hot",
    "power_brake": "the machine's power supply asks for it",
    "hw_slowdown": "it is too hot or has too little power",
}
_NO_CUDA = "its CUDA does not start"
_OLD_CUDA = "what it compiles at run time may fail"
_RELOAD = "reboot it, or stop what uses the GPUs, sudo rmmod nvidia_uvm nvidia_drm nvidia_modeset nvidia"


def gpu_verdicts(
    node: Node, facts: Facts, *, own_pids: Collection[int] = (), image: str = ""
) -> Iterator[Verdict]:
    """What is worth saying of the GPUs that this node's servers may use; nothing where there is no server.

    `own_pids` are processes of ours, whose memory is no stranger's; `image` is what containers are made of.
    """
    if not node.serves or node.external or "gpus" not in facts:
        return
    every = devices(facts)
    gpus = [gpu for gpu in every if _served(node, gpu)]
    yield from _driver(node, facts, every)
    yield from _release(node, gpus, image)
    for gpu in gpus:
        yield from _health(node, gpu)
        yield from _mig(node, gpu)
        yield from _held(gpu, own_pids)
    yield from _logged(node, facts, every)
    yield from _persistence(gpus)


def _name(gpu: Gpu) -> str:
    return f"GPU {gpu.index} ({gpu.name})"


def _served(node: Node, gpu: Gpu) -> bool:
    """Whether a server of the node sees this GPU or a part of it."""
    names = {str(gpu.index), gpu.uuid, *(device.uuid for device in gpu.mig)}
    return any(server.gpus is None or names & set(server.gpus) for server in node.servers)


def _driver(node: Node, facts: Facts, gpus: Collection[Gpu]) -> Iterator[Verdict]:
    """Whether the driver answers, and which GPUs it lists."""
    trouble, cards = facts.get("gpus.trouble", ""), int(facts.get("gpus.cards", "0"))
    if gpus:
        names = ", ".join(dict.fromkeys(gpu.name for gpu in gpus))
        drivers = "".join(dict.fromkeys(f", driver {gpu.driver}" for gpu in gpus if gpu.driver))
        yield Verdict(Level.OK, f"{len(gpus)} GPU: {names}{drivers}")
    elif not trouble and not cards:
        yield Verdict(Level.OK, "no GPU: models run on CPU")
    elif not trouble:
        what = f"{cards} NVIDIA card{'s' if cards > 1 else ''} and no nvidia-smi: models run on CPU"
        yield Verdict(Level.WARN, what, f"install NVIDIA's driver on {node.name}")
    if trouble:
        # The tool without a card is in many an image; with a driver that is loaded there is a card.
        loaded = any(word in trouble for word in ("mismatch", "does not answer", "hangs"))
        level = Level.FAIL if cards or gpus or loaded else Level.WARN
        yield Verdict(level, trouble, _mended(node, trouble))
    if dcgm := {"warning": Level.WARN, "failure": Level.FAIL}.get(facts.get("gpus.dcgm", "")):
        said = f"DCGM's health check: {facts['gpus.dcgm']}"
        yield Verdict(dcgm, said, f"on {node.name}: dcgmi health -g 0 -c says what")


def _mended(node: Node, trouble: str) -> str:
    if "mismatch" in trouble:
        return f"the driver was upgraded under {node.name}: {_RELOAD} and sudo modprobe nvidia"
    if "communicate with the NVIDIA driver" in trouble:
        return "sudo modprobe nvidia; if there is no such module, install the driver for this kernel"
    if "No devices" in trouble:
        return "sudo dmesg | grep NVRM says why the driver took none"
    if "infoROM" in trouble:
        return f"distctl drain {node.name} and have the card replaced if it comes again after a reboot"
    return f"distctl drain {node.name} and reboot it"


def _release(node: Node, gpus: Collection[Gpu], image: str) -> Iterator[Verdict]:
    """Driver and compute capability against the release that runs there, where that is known.

    Models that use no CUDA run all the same where Triton itself is pushed: there it is a warning.
    """
    contained = node.runtime.kind is RuntimeKind.CONTAINER
    pushed = None if contained or node.runtime.path else PUSHED
    release = release_of(image) if contained else pushed
    wanted = needs(release) if release else None
    if release is None or wanted is None:
        return
    worst, name = Level.FAIL if contained else Level.WARN, f"Triton {release[0]}.{release[1]:02}"
    levels = {gpu.driver: driver_level(wanted, gpu.driver, gpu.name, image=contained) for gpu in gpus}
    for driver, level in levels.items():
        if level is not Level.OK:
            then = _NO_CUDA if level is Level.FAIL else _OLD_CUDA
            what = f"driver {driver} is older than {name} (CUDA {wanted.cuda}) wants: {then}"
            least = worst if level is Level.FAIL else Level.WARN
            yield Verdict(least, what, f"install driver {wanted.driver} or newer")
    for gpu in gpus:
        if gpu.capability and gpu.capability < wanted.capability:
            has, needed = (".".join(map(str, c)) for c in (gpu.capability, wanted.capability))
            what = f"{_name(gpu)} has compute capability {has}, and {name} needs {needed}"
            yield Verdict(worst, what, "leave it out of `servers.gpus`, or run an older release")


def _health(node: Node, gpu: Gpu) -> Iterator[Verdict]:
    """Its own troubles: lost, memory errors, a repair that waits, clocks that are held down."""
    name, errors = _name(gpu), gpu.errors
    reset = f"distctl drain {node.name}, then on it: sudo nvidia-smi --gpu-reset -i {gpu.index} (or reboot)"
    if gpu.trouble:
        yield Verdict(Level.FAIL, f"{name}: {gpu.trouble}", f"distctl drain {node.name} and reboot it")
    if gpu.advice:
        yield Verdict(Level.FAIL, f"{name}: its driver asks for: {gpu.advice}", reset)
    if "failed" in errors.remap:
        remedy = f"distctl drain {node.name} and have the card replaced"
        yield Verdict(Level.FAIL, f"{name}: its memory could not be repaired", remedy)
    elif "pending" in errors.remap:
        yield Verdict(Level.WARN, f"{name}: a repair of its memory waits for a reset", reset)
    if errors.uncorrected:
        count = f"{errors.uncorrected} uncorrected memory error{'s' if errors.uncorrected > 1 else ''}"
        yield Verdict(Level.WARN, f"{name}: {count} since its driver was loaded", reset)
    if why := next((_THROTTLES[word] for word in gpu.throttled if word in _THROTTLES), ""):
        remedy = "check airflow and fans" if "hot" in why else "check the power supply and its cables"
        yield Verdict(Level.WARN, f"{name}: its clocks are held down: {why}", remedy)


def _mig(node: Node, gpu: Gpu) -> Iterator[Verdict]:
    if gpu.mig_enabled and not gpu.mig:
        yield Verdict(
            Level.FAIL,
            f"{_name(gpu)}: MIG is on and it has no MIG device: CUDA sees nothing of it",
            f"on {node.name}: sudo nvidia-smi mig -i {gpu.index} -lgip lists profiles, -cgi PROFILE -C makes "
            f"a device; or sudo nvidia-smi -i {gpu.index} -mig 0",
        )


def _held(gpu: Gpu, own_pids: Collection[int]) -> Iterator[Verdict]:
    """Memory that processes hold which are not ours."""
    others = [p for p in gpu.processes if not {p.pid, *p.parents} & set(own_pids)]
    held = sum(process.memory for process in others)
    if held >= HELD:
        most = sorted(others, key=lambda process: -process.memory)[:3]
        who = ", ".join(_named(process) for process in most)
        more = f" and {len(others) - len(most)} more" if len(others) > len(most) else ""
        of = f" of its {_size(gpu.memory)}" if gpu.memory else ""
        what = f"{_name(gpu)}: others hold {_size(held)}{of}: {who}{more}"
        yield Verdict(Level.WARN, what, "end them, or leave it out of `servers.gpus`")


def _named(process: Process) -> str:
    return f"{process.name} (pid {process.pid}, {_size(process.memory)})"


def _size(count: int) -> str:
    return f"{count // MIB} MiB"


def _logged(node: Node, facts: Facts, gpus: Collection[Gpu]) -> Iterator[Verdict]:
    """Recent Xids, also of cards that are listed no more."""
    at = {gpu.pci.rpartition(".")[0]: gpu for gpu in gpus}
    for place, errors in xids(facts).items():
        gpu = at.get(place)
        if gpu is not None and not _served(node, gpu):
            continue
        name = _name(gpu) if gpu else f"the card at {place}"
        for xid in errors:
            if xid.age <= RECENT:
                said = meaning(xid.number)
                which = f" -i {gpu.index}" if gpu else ""
                what = f"{name}: Xid {xid.number} {_ago(xid.age)}: {said.what}"
                yield Verdict(said.level, what, said.remedy.format(node=node.name, which=which))


def _ago(seconds: float) -> str:
    return f"{seconds / 3600:.0f} h ago" if seconds >= 2 * 3600 else f"{seconds / 60:.0f} min ago"


def _persistence(gpus: Collection[Gpu]) -> Iterator[Verdict]:
    without = [str(gpu.index) for gpu in gpus if gpu.persistence is False]
    if without:
        what = f"persistence mode is off on GPU {', '.join(without)}: the driver starts anew each time"
        remedy = "sudo systemctl enable --now nvidia-persistenced, or sudo nvidia-smi -pm 1"
        yield Verdict(Level.WARN, what, remedy)
