"""One test host: its network namespace, its file system over this machine's, its first process."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from host_boot import (
    CLOCK,
    PLAIN,
    WITH_SYSTEMD,
    furnish_systemd,
    make_cgroup,
    remove_cgroups,
)

from distctl.cluster.spec import Become, Connection, Node, SshSettings

if TYPE_CHECKING:
    from hosts import Hosts

NETWORKS = 4  # that one `Hosts` may have
_INTO = ("ip", "netns", "exec")
_ALONE = ("unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child")


_SSHD = """\
Port 22
HostKey /etc/distctl-host/ssh_host_ed25519_key
AuthorizedKeysFile /etc/distctl-host/authorized_keys
PermitRootLogin yes
PasswordAuthentication yes
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
StrictModes no
PidFile none
"""


def run_tool(*argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a tool of this machine. Raises RuntimeError with what it said."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
    return done


class Host:
    """One machine. Made by `Hosts.add`; `address` is where it is reached on its first network."""

    def __init__(
        self,
        hosts: Hosts,
        name: str,
        number: int,
        networks: Sequence[int],
        size: str,
        sshd: str,
        systemd: bool,
        containers: str,
        *,
        shared: Sequence[str],
    ) -> None:
        self.name, self.hosts, self.networks, self.systemd = name, hosts, tuple(networks), systemd
        self.addresses = {net: f"10.77.{hosts.slot * NETWORKS + net}.{number + 10}" for net in networks}
        self.address = self.addresses[self.networks[0]]
        self._shared = " ".join(shared)
        self._namespace = f"dh{hosts.slot}-{number}"
        self._links = {net: f"dh{hosts.slot}v{number}n{net}" for net in networks}
        self._folder = hosts.folder / name
        self._root = self._folder / "root"
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._wire()
        self._furnish(size, sshd)
        if containers:
            self._store_containers(containers)
        self.boot()

    # -- what a test does with it

    def run(
        self, command: str, *, check: bool = True, timeout: float = 30
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command inside, past ssh."""
        argv = ["nsenter", "-t", str(self._inside()), "-m", "-u", "-p", "-n", "-r", "-w", "sh", "-c", command]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=timeout)
        if check and done.returncode:
            raise RuntimeError(f"{self.name}: {command}: {done.stderr.strip()}")
        return done

    def cut(self) -> None:
        """Pull the network cable; established connections hear nothing of it."""
        for link in self._links.values():
            run_tool("ip", "link", "set", link, "down")

    def heal(self) -> None:
        """Plug the network cable in again."""
        for link in self._links.values():
            run_tool("ip", "link", "set", link, "up")

    def limit(self, rate: str) -> None:
        """Bound the first link in both directions, as in `limit("50mbit")`; "" ends that, and `shape`."""
        self._discipline(f"tbf rate {rate} burst 64kb latency 200ms" if rate else "")

    def shape(self, netem: str) -> None:
        """Shape the first link in both directions, as in `shape("delay 20ms loss 1%")`; "" ends that.

        Needs sch_netem, which not every kernel has (`Wire` in tests/wire.py does without it).
        """
        self._discipline(f"netem {netem}" if netem else "")

    def power_cut(self) -> None:
        """Everything inside is gone at once, without a farewell on the network; the disk stays."""
        self.cut()
        self._kill()

    def boot(self) -> None:
        """Start it, with a new boot id and empty /run, /tmp and /dev/shm, and wait for its sshd."""
        boot_id = self._folder / "boot_id"
        boot_id.write_text(f"{uuid.uuid4()}\n")
        self._log = (self._folder / "sshd.log").open("ab")
        place = {"R": str(self._root), "BOOT_ID": str(boot_id), "NAME": self.name, "SHARED": self._shared}
        if self.systemd:
            make_cgroup(self._namespace)
            place["CGROUP"] = self._namespace
        self._process = subprocess.Popen(
            [*_INTO, self._namespace, *_ALONE, "sh", "-c", WITH_SYSTEMD if self.systemd else PLAIN],
            env={**os.environ, **place},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        self.heal()
        self._wait()

    def add_user(self, name: str, *, password: str = "", sudo: str = "") -> None:
        """An account with the hosts' key; `sudo` is "" (none), "free" (no password) or "password"."""
        self.run(f"useradd -m -s /bin/sh -p '*' {name}")  # without a password, but not locked
        if password:
            self.run(f"echo '{name}:{password}' | chpasswd")
        if sudo:
            free = "NOPASSWD: " if sudo == "free" else ""
            self.write(f"/etc/sudoers.d/{name}", f"{name} ALL=(ALL) {free}ALL\n", 0o440)

    def set_clock(self, offset: str) -> None:
        """What `date` says inside from now on, as in "-5m"; for a host that was added with a `clock`."""
        self.write(CLOCK, f"{offset}\n")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Put a file inside, past ssh."""
        target = self._root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def read(self, path: str) -> bytes:
        """A file inside, past ssh (not of /run, /tmp, /dev or /proc)."""
        return (self._root / path.lstrip("/")).read_bytes()

    def new_host_key(self) -> None:
        """Another host key, as after a new installation, from the next connection on."""
        self._host_key("ed25519")
        os.kill(self._inside(), signal.SIGHUP)
        time.sleep(0.1)
        self._wait()

    @property
    def link(self) -> str:
        """This machine's end of its first network link."""
        return self._links[self.networks[0]]

    @property
    def known_hosts_line(self) -> str:
        """Its line of known_hosts, under its address."""
        key = (self._root / "etc/distctl-host/ssh_host_ed25519_key.pub").read_text().split()
        return f"{self.address} {key[0]} {key[1]}"

    def node(self, *, become: Become | None = None, **ssh: Any) -> Node:
        """The host as a node of an inventory, with the hosts' key and known_hosts; `ssh` overrides."""
        settings = {"user": "root", "key": self.hosts.key, "known_hosts": self.hosts.known_hosts, **ssh}
        settings.setdefault("config", self.hosts.home / "no-config")
        return Node(
            self.name,
            Connection.SSH,
            self.address,
            self.address,
            ssh=SshSettings(become=become, **settings),
        )

    # -- how it is made

    def _discipline(self, words: str) -> None:
        for argv, device in ((("tc",), self.link), ((*_INTO, self._namespace, "tc"), "eth0")):
            if words:
                run_tool(*argv, "qdisc", "replace", "dev", device, "root", *words.split())
            else:
                run_tool(*argv, "qdisc", "del", "dev", device, "root", check=False)

    def _wire(self) -> None:
        run_tool("ip", "netns", "add", self._namespace)
        run_tool("ip", "-n", self._namespace, "link", "set", "lo", "up")
        for index, (net, link) in enumerate(self._links.items()):
            peer = ("peer", "name", f"eth{index}", "netns", self._namespace)
            run_tool("ip", "link", "add", link, "type", "veth", *peer)
            run_tool("ip", "link", "set", link, "master", self.hosts.bridge(net))
            run_tool(
                "ip", "-n", self._namespace, "addr", "add", f"{self.addresses[net]}/24", "dev", f"eth{index}"
            )
            run_tool("ip", "-n", self._namespace, "link", "set", f"eth{index}", "up")

    def _furnish(self, size: str, sshd: str) -> None:
        layer = self._folder / "layer"
        for folder in (layer, self._root):
            folder.mkdir(parents=True)
        run_tool("mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "distctl-host", str(layer))
        for folder in (layer / "upper", layer / "work"):
            folder.mkdir()
        for hidden, mode in (("root", 0o700), ("home", 0o755)):  # this machine's own homes are not the host's
            self._hide(hidden).chmod(mode)
        if self.systemd:
            furnish_systemd(self._hide)
        options = f"lowerdir=/,upperdir={layer}/upper,workdir={layer}/work"
        run_tool("mount", "-t", "overlay", "-o", options, "distctl-host", str(self._root))
        ours = "" if "Subsystem" in sshd else "Subsystem sftp internal-sftp\n"
        self.write("/etc/distctl-host/sshd_config", sshd + ours + _SSHD)  # the first value counts
        self.write("/etc/distctl-host/authorized_keys", self.hosts.key.with_suffix(".pub").read_text())
        self.write("/etc/hostname", f"{self.name}\n")
        self.write("/etc/hosts", f"127.0.0.1 localhost {self.name}\n::1 localhost\n")
        self._host_key("ed25519")
        if "ssh_host_rsa_key" in sshd:
            self._host_key("rsa")

    def _hide(self, path: str) -> Path:
        """An empty folder of the host in the place of this machine's, while it is not mounted yet."""
        folder = self._folder / "layer" / "upper" / path
        folder.mkdir(parents=True)
        os.setxattr(folder, "trusted.overlay.opaque", b"y")
        return folder

    def _store_containers(self, size: str) -> None:
        """A disk for images that outlives a power cut: engines cannot lay their file systems over ours."""
        place = self._root / "var/lib/containers"
        place.mkdir(parents=True, exist_ok=True)
        run_tool("mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "distctl-host", str(place))

    def _host_key(self, kind: str) -> None:
        path = self._root / f"etc/distctl-host/ssh_host_{kind}_key"
        path.unlink(missing_ok=True)
        run_tool("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", self.name, "-f", str(path))

    def _inside(self) -> int:
        """Process 1 of the host, as this machine numbers it."""
        if self._process is None:
            raise RuntimeError(f"{self.name} is switched off")
        pid = self._process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def _wait(self) -> None:
        until = time.monotonic() + 10
        command = f"exec 3<>/dev/tcp/{self.address}/22 && head -c 3 <&3"
        while time.monotonic() < until:
            said = run_tool("ip", "netns", "exec", self._namespace, "bash", "-c", command, check=False).stdout
            if said == "SSH":
                return
            if self._process is None or self._process.poll() is not None:
                break
            time.sleep(0.02)
        raise RuntimeError(f"{self.name} did not boot: {(self._folder / 'sshd.log').read_text()[-2000:]}")

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def remove(self) -> None:
        """Switch off and leave nothing."""
        self._kill()
        for link in self._links.values():  # a namespace takes its time to go, and its links with it
            run_tool("ip", "link", "del", link, check=False)
        clear_host(self._folder, self._namespace)


def clear_host(folder: Path | None, namespace: str) -> None:
    """Remove a host's processes, namespace, mounts and files, whoever made it."""
    if namespace:
        for pid in run_tool("ip", "netns", "pids", namespace, check=False).stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        run_tool("ip", "netns", "del", namespace, check=False)
        remove_cgroups(namespace)
    if folder is not None:
        for mount in (folder / "root", folder / "layer"):
            if mount.is_mount():
                run_tool("umount", "-l", str(mount))
        shutil.rmtree(folder, ignore_errors=True)
