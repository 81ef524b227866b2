"""Test hosts: many machines on one, each with its own sshd, file system, network link and power switch.

A host is a network namespace on a bridge, a root file system laid over this machine's (its own layer is a
tmpfs: hosts share no files, and a small one is a full disk), and an sshd in its own mount, pid and uts
namespaces. It needs root, iproute2 and openssh-server; about 0.1 s each. No internet inside. Its first
process is sshd, or with `systemd=True` a real systemd (0.5 s); `clock="+300s"` gives it its own clock.

    with Hosts() as hosts:
        gpu = hosts.add("gpu01")
        hosts.add("bastion", networks=(0, 1))
        hosts.add("inner", networks=(1,))  # only through the bastion
        gpu.run("df -h /")
        gpu.cut()  # and heal(), limit("50mbit"), power_cut(), boot(), set_clock("-5m")

Each `Hosts` takes one of 60 slots, by a lock that its process holds: names and addresses follow from the
slot, so that several suites run side by side, and a slot that nobody holds is swept before it is used.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from host import NETWORKS, Host, clear_host, run_tool
from host_boot import FAKETIME, missing_clock, missing_systemd

from distctl.adapters.ssh.route import Account

BASE = Path("/run/distctl-hosts")
SLOTS = 60
NEEDED = ("ip", "tc", "unshare", "nsenter", "sshd", "ssh-keygen", "mount", "chroot")


def missing() -> str:
    """Why test hosts cannot be had here; empty when they can."""
    if os.geteuid() != 0:
        return "test hosts need root"
    lacking = [
        tool
        for tool in NEEDED
        if not shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    ]
    return (
        f"test hosts need {', '.join(lacking)} (apt-get install iproute2 openssh-server)" if lacking else ""
    )


def demand(why: str) -> None:
    """Skip the test aloud when there is a reason to, which is a failure under CI."""
    import pytest

    if why:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)


class Hosts:
    """Test hosts, and the home of an operator who can reach them; a context manager that leaves nothing."""

    def __init__(self) -> None:
        self._hosts: dict[str, Host] = {}
        self._bridges: set[int] = set()
        self.slot, self._lock = _take_slot()
        self.folder = BASE / str(self.slot)
        self.home = self.folder / "home"
        ssh = self.home / ".ssh"
        ssh.mkdir(parents=True, mode=0o700)
        self.key, self.known_hosts, self.config = ssh / "id_ed25519", ssh / "known_hosts", ssh / "config"
        run_tool("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "operator", "-f", str(self.key))

    def add(
        self,
        name: str,
        *,
        networks: Sequence[int] = (0,),
        size: str = "512m",
        sshd: str = "",
        trusted: bool = True,
        systemd: bool = False,
        clock: str = "",
        containers: str = "",
        shared: Sequence[str] = (),
    ) -> Host:
        """Make a host. Network 0 reaches this machine; the others join only the hosts that are on them.

        `size` is its disk; `sshd` are lines of sshd_config that win over ours; `trusted` puts its key into
        the operator's known_hosts; `systemd` boots it with one; `clock` is how far the clock that its ssh
        sessions see is from this machine's, as in "+300s"; `containers` is the size of a disk for images, if
        it is to have one; `shared` are folders of this machine that it finds at the same paths, to read.
        """
        demand((missing_systemd() if systemd else "") or (missing_clock() if clock else ""))
        if clock:
            sshd += f"SetEnv LD_PRELOAD={FAKETIME} FAKETIME_DONT_FAKE_MONOTONIC=1\n"
        host = Host(self, name, len(self._hosts), networks, size, sshd, systemd, containers, shared=shared)
        if clock:
            host.set_clock(clock)
        self._hosts[name] = host
        if trusted:
            with self.known_hosts.open("a") as file:
                file.write(host.known_hosts_line + "\n")
        return host

    def __getitem__(self, name: str) -> Host:
        return self._hosts[name]

    def __iter__(self) -> Iterator[Host]:
        return iter(self._hosts.values())

    @property
    def account(self) -> Account:
        """The operator: their home has key, known_hosts and config."""
        return Account("root", self.home)

    def write_config(self, text: str) -> Path:
        """The operator's ~/.ssh/config."""
        self.config.write_text(text)
        return self.config

    def bridge(self, net: int) -> str:
        """The bridge of a network, made when first asked for."""
        name = f"dh{self.slot}b{net}"
        if net not in self._bridges:
            run_tool("ip", "link", "add", name, "type", "bridge")
            run_tool("ip", "link", "set", name, "up")
            if net == 0:
                run_tool("ip", "addr", "add", f"10.77.{self.slot * NETWORKS}.1/24", "dev", name)
            else:  # not even through this machine's own gateway
                run_tool("ip", "route", "replace", "unreachable", f"10.77.{self.slot * NETWORKS + net}.0/24")
            self._bridges.add(net)
        return name

    def sixth(self, number: int, host: Host | None = None) -> str:
        """Give a host a second address, of IP's sixth version; without one this machine, on network 0."""
        address = self.free_sixth(number)
        words = f"ip -6 addr add {address}/64 dev {'eth0' if host else self.bridge(0)} nodad"
        if host:
            host.run(words)
        else:
            run_tool(*words.split())
        return address

    def free_sixth(self, number: int) -> str:
        """Such an address, of nobody's."""
        return f"fd77:{self.slot + 1:x}::{number:x}"

    def close(self) -> None:
        """Remove everything."""
        for host in self._hosts.values():
            host.remove()
        _sweep(self.slot)
        self._lock.close()

    def __enter__(self) -> Hosts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _take_slot() -> tuple[int, IO[str]]:
    BASE.mkdir(exist_ok=True)
    for slot in range(SLOTS):
        lock = (BASE / f"{slot}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        _sweep(slot)
        return slot, lock
    raise RuntimeError(f"all {SLOTS} slots for test hosts are taken")


def _sweep(slot: int) -> None:
    """Remove what a run in this slot left, however it ended."""
    links = run_tool("ip", "-o", "link").stdout
    for link in re.findall(rf"\b(dh{slot}v\w+)@", links):
        run_tool("ip", "link", "del", link, check=False)
    listed = run_tool("ip", "netns", "list").stdout.split()
    for namespace in (name for name in listed if name.startswith(f"dh{slot}-")):
        clear_host(None, namespace)
    for net in range(NETWORKS):
        run_tool("ip", "link", "del", f"dh{slot}b{net}", check=False)
        run_tool("ip", "route", "del", "unreachable", f"10.77.{slot * NETWORKS + net}.0/24", check=False)
    folder = BASE / str(slot)
    if folder.exists():
        for host in folder.iterdir():
            clear_host(host, "")
        shutil.rmtree(folder)
