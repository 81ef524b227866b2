"""How a test host boots: the script that becomes its first process, and what a real systemd needs in it.

A plain host's first process is its sshd. One with systemd has /lib/systemd/systemd there, in a control group
and a cgroup namespace of its own, with nothing of this machine's units but dbus, logind (which starts the
managers of accounts with linger) and a unit for the host's sshd.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

SYSTEMD = "/lib/systemd/systemd"
FAKETIME = next((str(path) for path in Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), "")
CLOCK = "/etc/faketimerc"  # where libfaketime reads the offset when no variable names it

_FILE_SYSTEMS = r"""
set -e
mount --make-rprivate /
mount -t proc proc "$R/proc"
mount --bind "$BOOT_ID" "$R/proc/sys/kernel/random/boot_id"
mount -t tmpfs -o size=1m,mode=755 dev "$R/dev"
for name in null zero full random urandom tty; do
    : > "$R/dev/$name"
    mount --bind "/dev/$name" "$R/dev/$name"
done
ln -s /proc/self/fd "$R/dev/fd"
ln -s fd/0 "$R/dev/stdin"
ln -s fd/1 "$R/dev/stdout"
ln -s fd/2 "$R/dev/stderr"
mkdir "$R/dev/shm" "$R/dev/pts"
mount -t tmpfs -o size=256m,mode=1777 shm "$R/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$R/dev/pts" && ln -s pts/ptmx "$R/dev/ptmx"
mount -t tmpfs -o size=64m,mode=755 run "$R/run"  # systemd wants 16 MB of it to be free
mount -t tmpfs -o size=64m,mode=1777 tmp "$R/tmp"
mkdir "$R/run/sshd"
for path in $SHARED; do mkdir -p "$R$path"; mount --bind -o ro "$path" "$R$path"; done
hostname "$NAME"
"""

PLAIN = f"""{_FILE_SYSTEMS}
mount --rbind /sys "$R/sys"
exec chroot "$R" /usr/sbin/sshd -D -e -f /etc/distctl-host/sshd_config
"""

# The root is changed by pivot_root, since units with file systems of their own fail below a chroot. A sysfs
# that cannot be written, and the variable `container`, keep systemd's hands off the kernel.
WITH_SYSTEMD = f"""{_FILE_SYSTEMS}
mount -t cgroup2 cgroup2 "$R/sys"  # `ip netns exec` has hidden this machine's own
echo 0 > "$R/sys/$CGROUP/cgroup.procs"
umount "$R/sys"
exec unshare --cgroup sh -ec '
mount -t sysfs -o ro sysfs "$R/sys"
mount -t cgroup2 cgroup2 "$R/sys/fs/cgroup"
cd "$R"
pivot_root . .
umount -l .
exec env -i container=test-host PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    {SYSTEMD} --unit=multi-user.target --log-target=console --show-status=no
'
"""

_SSHD_UNIT = """\
[Service]
ExecStart=/usr/sbin/sshd -D -e -f /etc/distctl-host/sshd_config
KillMode=process
"""
_LIB = "usr/lib/systemd/system"
_TARGETS = ("sysinit", "basic", "local-fs", "multi-user", "sockets", "timers", "getty")


def missing_systemd() -> str:
    """Why hosts with systemd cannot be had here; empty when they can."""
    if not Path(SYSTEMD).exists() or not shutil.which("dbus-daemon"):
        return "hosts with systemd need it and dbus (apt-get install systemd dbus libpam-systemd)"
    return "" if _unified() else "hosts with systemd need a mounted cgroup2 file system"


def missing_clock() -> str:
    """Why hosts with a clock of their own cannot be had here; empty when they can."""
    return "" if FAKETIME else "hosts with their own clock need libfaketime (apt-get install libfaketime)"


def furnish_systemd(hide: Callable[[str], Path]) -> None:
    """Put into a host's layer what systemd boots there; `hide` makes an empty folder over this machine's."""
    units = hide("etc/systemd/system")
    hide("usr/lib/systemd/system-generators")  # they would start what this machine has in /etc/init.d
    for target in _TARGETS:
        hide(f"{_LIB}/{target}.target.wants")
    (units / "host-sshd.service").write_text(_SSHD_UNIT)
    for target, wanted in (
        ("multi-user", "/etc/systemd/system/host-sshd.service"),
        ("multi-user", f"/{_LIB}/systemd-logind.service"),
        ("sockets", f"/{_LIB}/dbus.socket"),
    ):
        folder = units / f"{target}.target.wants"
        folder.mkdir(exist_ok=True)
        (folder / Path(wanted).name).symlink_to(wanted)
    hide("var/lib/systemd/linger")


def make_cgroup(name: str) -> None:
    """An empty control group of that name."""
    remove_cgroups(name)
    Path(_unified(), name).mkdir()


def remove_cgroups(pattern: str) -> None:
    """Remove control groups with all below them, once their last processes have gone; 5 seconds at most."""
    if not (root := _unified()):
        return
    until = time.monotonic() + 5
    for group in Path(root).glob(pattern):
        while group.exists():
            try:
                for folder, _, _ in os.walk(group, topdown=False):
                    Path(folder).rmdir()
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)


def _unified() -> str:
    """Where this machine has control groups of the second version; empty when nowhere."""
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return next((words[1] for words in mounts if words[2] == "cgroup2"), "")
