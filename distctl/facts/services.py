"""What a node offers to run things with: systemd, linger, container engines, SELinux, small programs."""

from __future__ import annotations

from distctl.facts.probe import Facts, Probe, only, pairs

# What our scripts call, beside the shell itself. `cmp` is in diffutils, flock and setsid in util-linux.
TOOLS = ("flock", "setsid", "tar", "gzip", "sha256sum", "cmp", "awk")
ENGINES = ("docker", "podman")

# /run/systemd/system exists exactly where systemd is the init (sd_booted(3)); linger is a file of logind.
_SERVICES = f"""[ -d /run/systemd/system ] && echo systemd=yes || echo systemd=no
[ -S "${{XDG_RUNTIME_DIR:-/run/user/$(id -u)}}/systemd/private" ] && echo user=yes || echo user=no
[ -e "/var/lib/systemd/linger/$(id -un)" ] && echo linger=yes || echo linger=no
if [ -r /sys/fs/selinux/enforce ]; then
    read -r enforce < /sys/fs/selinux/enforce; echo "selinux=$enforce"
elif [ -e /etc/selinux/config ]; then echo selinux=disabled
else echo selinux=none; fi
for name in {" ".join(ENGINES)}; do command -v "$name" >/dev/null && echo "engine.$name=yes"; done
for name in {" ".join(TOOLS)}; do command -v "$name" >/dev/null || echo "missing.$name=yes"; done
echo end=yes"""


def parse_services(text: str) -> Facts:
    """Yes or no of each; what an output that was cut short does not say is left out."""
    found = pairs(text)
    enforce = found.get("selinux")
    facts = only(
        {
            "systemd": found.get("systemd"),
            "systemd.user": found.get("user"),
            "systemd.linger": found.get("linger"),
            "selinux": {"1": "enforcing", "0": "permissive"}.get(enforce, enforce) if enforce else None,
        }
    )
    if "end" in found:
        facts["containers"] = " ".join(name for name in ENGINES if f"engine.{name}" in found)
        facts["tools.missing"] = " ".join(name for name in TOOLS if f"missing.{name}" in found)
    return facts


PROBES = (Probe("services", _SERVICES, parse_services),)
