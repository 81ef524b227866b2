"""Verdicts: everything that `up` would stumble on at one node, each with its remedy. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from distctl.cluster.needs import PYTHONS
from distctl.cluster.spec import Node, RuntimeKind
from distctl.facts.container_doctor import engine_verdicts
from distctl.facts.gpu_doctor import gpu_verdicts
from distctl.facts.network import holder_of
from distctl.facts.python import choose, interpreters
from distctl.facts.verdict import Facts, Level, Verdict

GLIBC = (2, 35)  # of the wheel that tritonserver comes from (manylinux_2_35)
ARCH = "x86_64"
DISK = 500 * 1024 * 1024  # bytes: the runtime packed (56 MB) and unpacked (168 MB), and room for models
ROOM = 100 * 1024 * 1024  # bytes: for models and logs where no runtime has to be installed
CLOCK = 5.0  # seconds
APT = ("debian", "ubuntu", "linuxmint", "raspbian")
TEMPORARY = ("/tmp", "/var/tmp", "/dev/shm", "/run")  # noqa: S108 - to be refused
PACKAGES = {"flock": "util-linux", "setsid": "util-linux", "cmp": "diffutils", "sha256sum": "coreutils"}


def verdicts(
    node: Node,
    facts: Facts,
    *,
    own_pids: Collection[int] = (),
    own_ports: Collection[int] = (),
    become: bool = False,
    installed: bool = False,
    image: str = "",
) -> tuple[Verdict, ...]:
    """Everything worth saying of a node with these facts, the worst first.

    `own_pids` are the processes of our own units there, `own_ports` are our containers': what they hold is
    not taken. `installed`: the runtime is there already and needs no more room. `image` is what its
    containers are made of. Of what the facts do not say, nothing is said.
    """
    found = [verdict for check in _CHECKS for verdict in check(node, facts)]
    found += _disk(node, facts, ROOM if installed or not _runs_ours(node) else DISK)
    found += _ports(node, {**facts, "ports": _without(facts.get("ports", ""), own_ports)}, own_pids)
    found += gpu_verdicts(node, facts, own_pids=own_pids, image=image)
    found += engine_verdicts(node, facts, installed=installed)
    found += _reboot(node, facts, become)
    order = list(reversed(Level))
    return tuple(sorted(found, key=lambda verdict: order.index(verdict.level)))


def _runs_ours(node: Node) -> bool:
    """Whether tritonserver out of our wheel runs there."""
    return node.runtime.kind is RuntimeKind.BINARY and not node.runtime.path and node.serves


def _arch(node: Node, facts: Facts) -> Iterator[Verdict]:
    arch = facts.get("arch")
    if arch and _runs_ours(node):
        if arch == ARCH:
            yield Verdict(Level.OK, f"{facts.get('os.name', 'Linux')}, {arch}")
        else:
            yield Verdict(
                Level.FAIL,
                f"the processor is {arch} and the tritonserver that is pushed is built for {ARCH}",
                f"install Triton for {arch} on {node.name} and name its folder in `runtime.path`",
            )


def _glibc(node: Node, facts: Facts) -> Iterator[Verdict]:
    if not _runs_ours(node) or "arch" not in facts:
        return
    wanted = ".".join(map(str, GLIBC))
    version = facts.get("glibc", "")
    if not version:
        what = f"there is no glibc here and tritonserver needs {wanted}"
    elif tuple(int(part) for part in version.split(".")) < GLIBC:
        what = f"glibc is {version} and tritonserver needs {wanted}"
    else:
        yield Verdict(Level.OK, f"glibc {version}")
        return
    yield Verdict(
        Level.FAIL,
        what,
        "use Debian 12, Ubuntu 22.04 or newer, or name an installed Triton in `runtime.path`",
    )


def _python(node: Node, facts: Facts) -> Iterator[Verdict]:
    if not _runs_ours(node) or "arch" not in facts:
        return
    if found := choose(facts, node.runtime.python):
        yield Verdict(Level.OK, f"Python {found.version} with libpython: {found.path}")
        return
    there = [one for one in interpreters(facts) if not one.library]
    if node.runtime.python:
        what = f"`runtime.python` is {node.runtime.python}, which is not there or has no libpython"
    elif there:
        what = f"Python {there[0].version} has no libpython, which Triton's python backend embeds"
    else:
        what = f"there is no Python {PYTHONS[-1]} to {PYTHONS[0]}, which Triton's python backend needs"
    yield Verdict(Level.FAIL, what, _install_python(facts, there[0].version if there else ""))


def _install_python(facts: Facts, version: str) -> str:
    if facts.get("os.id") in APT:
        wanted = version or {"12": "3.11", "22.04": "3.10", "24.04": "3.12"}.get(
            facts.get("os.version", ""), "3.11"
        )
        return f"sudo apt-get install -y python{wanted} libpython{wanted}"
    return f"sudo dnf install -y python{version or '3.12'} python{version or '3.12'}-libs"


def _tools(node: Node, facts: Facts) -> Iterator[Verdict]:
    missing = facts.get("tools.missing", "").split()
    if missing:
        packages = " ".join(dict.fromkeys(PACKAGES.get(name, name) for name in missing))
        command = "apt-get" if facts.get("os.id") in APT else "dnf"
        yield Verdict(Level.FAIL, f"{', '.join(missing)} not found", f"sudo {command} install -y {packages}")


def _disk(node: Node, facts: Facts, needed: int) -> Iterator[Verdict]:
    free, place = facts.get("disk.free", ""), facts.get("disk.mount", "its file system")
    if not free.isdecimal():
        return
    size = f"{int(free) / 1e9:.1f} GB free on {place}"
    if int(free) < needed:
        remedy = f"free {needed / 1e6:.0f} MB there, or set `directory` of {node.name} to another file system"
        yield Verdict(Level.FAIL, size, remedy)
    else:
        yield Verdict(Level.OK, size)


def _place(node: Node, facts: Facts) -> Iterator[Verdict]:
    root = facts.get("root", "")
    remedy = f"set `directory` of {node.name} to a folder that lasts and may hold programs"
    if any(root.startswith(f"{place}/") for place in TEMPORARY):
        yield Verdict(Level.FAIL, f"{root} is in a temporary folder, which is cleared by others", remedy)
    if "noexec" in facts.get("disk.options", "").split(","):
        yield Verdict(
            Level.FAIL, f"{facts.get('disk.mount')} is mounted noexec: nothing can run there", remedy
        )
    if facts.get("disk.type") in {"nfs", "nfs4", "cifs", "smb3"}:
        yield Verdict(Level.WARN, f"{root} is on a network file system, where locks may not hold", remedy)


def _clock(node: Node, facts: Facts) -> Iterator[Verdict]:
    try:
        offset = float(facts["clock.offset"])
    except (KeyError, ValueError):
        return
    if abs(offset) > CLOCK:
        side = "ahead of" if offset > 0 else "behind"
        what = f"the clock is {abs(offset):.0f} s {side} this machine's"
        yield Verdict(Level.WARN, what, "sudo timedatectl set-ntp true")


def _ports(node: Node, facts: Facts, own_pids: Collection[int]) -> Iterator[Verdict]:
    if node.external or "ports" not in facts:
        return
    for server in node.servers:
        for port in (server.http_port, server.grpc_port, server.metrics_port):
            holder = holder_of(facts, port)
            if holder and not _is_ours(holder, own_pids):
                name, _, pid = holder.partition(":")
                who = f"{name} (pid {pid})" if pid else "a process that only root may see"
                remedy = f"stop it, or give {node.name} other `servers.ports`"
                yield Verdict(
                    Level.FAIL, f"port {port} of server {server.id.server} is taken by {who}", remedy
                )


def _without(ports: str, own: Collection[int]) -> str:
    return " ".join(word for word in ports.split() if int(word.partition("=")[0]) not in own)


def _is_ours(holder: str, own_pids: Collection[int]) -> bool:
    pid = holder.rpartition(":")[2]
    return pid.isdecimal() and int(pid) in own_pids


def _reboot(node: Node, facts: Facts, become: bool) -> Iterator[Verdict]:
    if node.external or node.contained or "systemd" not in facts:
        return
    if facts["systemd"] != "yes":
        yield Verdict(
            Level.WARN,
            "there is no systemd: servers run detached and do not come back after a reboot",
            f"after a reboot of {node.name}: distctl up",
        )
    elif become or facts.get("uid") == "0":
        yield Verdict(Level.OK, "servers run as systemd units and come back after a reboot")
    elif facts.get("systemd.user") == "yes" and facts.get("systemd.linger") == "yes":
        yield Verdict(
            Level.OK, "servers run as units of the account, with linger, and come back after a reboot"
        )
    else:
        yield Verdict(
            Level.WARN,
            "the account has no lingering systemd: servers run detached and do not come back after a reboot",
            f"sudo loginctl enable-linger {facts.get('user', '$USER')}, or set `ssh.become`",
        )


_CHECKS: tuple[Callable[[Node, Facts], Iterator[Verdict]], ...] = (
    _arch,
    _glibc,
    _python,
    _tools,
    _place,
    _clock,
)
