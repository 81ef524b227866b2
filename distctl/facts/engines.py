"""Container engines: what a node has, whether the account may use it, and how it gives GPUs to containers.

Asked only where servers run in containers (`$wanted_engine`): podman takes a tenth of a second to answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from distctl.facts.engine_words import Trouble, explain
from distctl.facts.probe import Facts, Probe, number, only, pairs

ENGINES = ("docker", "podman")
CDI_IN_DOCKER = (28, 3)  # the first docker that has CDI switched on (its release notes)

# A line break that a template writes itself: docker prints a plain \n in it as it stands.
_BREAK = '{{"\\n"}}'
_DOCKER = _BREAK.join(
    (
        *("version={{.ServerVersion}}", "rootless={{.SecurityOptions}}"),
        *("runtimes={{json .Runtimes}}", "storage={{.DockerRootDir}}"),
    )
)
_PODMAN = _BREAK.join(
    ("version={{.Version.Version}}", "rootless={{.Host.Security.Rootless}}", "storage={{.Store.GraphRoot}}")
)

# `docker` may be podman in disguise (podman-docker). What --init runs is a package apart with podman.
_ENGINES = f"""[ -n "$wanted_engine" ] || exit 0
enabled() {{
    export XDG_RUNTIME_DIR="${{XDG_RUNTIME_DIR:-/run/user/$(id -u)}}"
    [ "$(id -u)" = 0 ] && scope= || scope=--user
    systemctl $scope is-enabled "$1" >/dev/null && echo yes
}}
for engine in {" ".join(ENGINES)}; do
    command -v "$engine" >/dev/null || continue
    case $wanted_engine in any | "$engine") ;; *) continue ;; esac
    case $engine in
        docker)
            case $(docker --version) in *podman*) continue ;; esac
            said=$(timeout 10 docker info --format '{_DOCKER}' 2>&1) ;;
        podman) said=$(timeout 20 podman info --format '{_PODMAN}' 2>&1) ;;
    esac
    status=$?
    echo "engine=$engine"
    printf 'status=%s\\n%s\\n' "$status" "$said"
    storage=$(printf '%s\\n' "$said" | sed -n 's/^storage=//p')
    [ -d "$storage" ] && echo "free=$(df -Pk "$storage" | awk 'NR == 2 {{ print $4 }}')"
    case $engine in
        docker) echo "restart=$(systemctl is-enabled docker.service >/dev/null && echo yes)"; echo init=yes ;;
        podman) echo "restart=$(enabled podman-restart.service)"
            for init in /usr/libexec/podman /usr/lib/podman /usr/local/libexec/podman /usr/bin; do
                [ ! -x "$init/catatonit" ] || {{ echo init=yes; break; }}
            done ;;
    esac
done
echo engine=
[ -e /dev/nvidiactl ] && echo device=yes
command -v nvidia-container-runtime-hook >/dev/null && echo hook=yes
grep -qs nvidia.com/gpu /etc/cdi/* /var/run/cdi/* && echo cdi=yes
echo end=yes"""


def parse_engines(text: str) -> Facts:
    """Of each engine: version, or what it said instead; and what the node has for GPUs in containers."""
    facts: Facts = {}
    for block in f"\n{text}".split("\nengine=")[1:]:
        name, _, rest = block.partition("\n")
        found = pairs(rest)
        facts |= _engine(name.strip(), found, rest) if name.strip() else _devices(found)
    return facts


def _engine(name: str, found: Mapping[str, str], text: str) -> Facts:
    key, free = f"engine.{name}", number(found.get("free", ""))
    rootless = found.get("rootless", "")
    if found.get("status") != "0" or not found.get("version"):
        said = [line for line in text.splitlines() if line.strip() and not line.startswith("status=")]
        return {f"{key}.problem": "\n".join(said[-5:]) or "it did not answer"}
    return only(
        {
            f"{key}.version": found["version"],
            f"{key}.rootless": "yes" if "rootless" in rootless or rootless == "true" else "no",
            f"{key}.storage": found.get("storage"),
            f"{key}.free": None if free is None else free * 1024,
            f"{key}.restart": found.get("restart") or "no",
            f"{key}.init": found.get("init", "no"),
            f"{key}.nvidia": "yes" if '"nvidia"' in found.get("runtimes", "") else "no",
        }
    )


def _devices(found: Mapping[str, str]) -> Facts:
    return {f"nvidia.{word}": found.get(word, "no") for word in ("device", "hook", "cdi")}


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that the account may use. `gpus` is how it gives them: `gpus`, `cdi`, or "" for no way."""

    name: str
    version: str
    rootless: bool = False
    init: bool = False
    gpus: str = ""
    restart: bool = False  # whether it starts containers again after a boot
    storage: str = ""
    free: int | None = None  # bytes where it keeps images


def choose(facts: Mapping[str, str], wanted: str | None) -> Engine | Trouble:
    """The engine that a node's servers are to run in, `wanted` if named; or why there is none."""
    trouble: Trouble | None = None
    for name in (wanted,) if wanted else ENGINES:
        if version := facts.get(f"engine.{name}.version"):
            return _found(name, version, facts)
        if (said := facts.get(f"engine.{name}.problem")) and trouble is None:
            trouble = explain(name, said, account=facts.get("user", ""))
            if not trouble.lasting:  # else servers would move to another engine while docker's daemon is away
                return trouble
    what = wanted or "docker or podman"
    return trouble or Trouble(f"there is no {what}", _install(facts, wanted or "podman"))


def _found(name: str, version: str, facts: Mapping[str, str]) -> Engine:
    key, free = f"engine.{name}", facts.get(f"engine.{name}.free", "")
    return Engine(
        name,
        version,
        rootless=facts.get(f"{key}.rootless") == "yes",
        init=facts.get(f"{key}.init") == "yes",
        gpus=_way(name, version, facts),
        restart=facts.get(f"{key}.restart") == "yes",
        storage=facts.get(f"{key}.storage", ""),
        free=int(free) if free else None,
    )


def _way(name: str, version: str, facts: Mapping[str, str]) -> str:
    cdi = facts.get("nvidia.cdi") == "yes"
    if name == "podman":
        return "cdi" if cdi else ""
    if facts.get(f"engine.{name}.nvidia") == "yes" or facts.get("nvidia.hook") == "yes":
        return "gpus"
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    return "cdi" if cdi and numbers >= CDI_IN_DOCKER else ""


def _install(facts: Mapping[str, str], name: str) -> str:
    if facts.get("os.id") in ("debian", "ubuntu"):
        return f"sudo apt-get install -y {'docker.io' if name == 'docker' else 'podman'}"
    return f"sudo dnf install -y {name}"


def devices(
    facts: Mapping[str, str], engine: Engine, wanted: tuple[str, ...] | None
) -> tuple[str, ...] | Trouble:
    """The GPUs that a server's container is given: (`all`,), none, or those wanted; or why it cannot be.

    `wanted` None is all that there are. Whether there are any is read from the driver's device, not from
    nvidia-smi, which may be late: a server must not start anew because of that. Whether each of those wanted
    is listed is told for each server, and of processes and containers alike, by `policy.devices.lost`.
    """
    present = facts.get("nvidia.device") == "yes"
    if wanted == () or (wanted is None and not present):
        return ()
    if wanted is not None and not present:
        remedy = "install NVIDIA's driver, or write `servers: {gpus: none}` for models that run on CPU"
        return Trouble(f"GPU {wanted[0]} is asked for and there is none", remedy)
    if not engine.gpus:
        return Trouble(f"{engine.name} cannot give GPUs to containers", _toolkit(engine.name))
    return ("all",) if wanted is None else wanted


def _toolkit(name: str) -> str:
    if name == "docker":
        return "install nvidia-container-toolkit, then: sudo nvidia-ctk runtime configure --runtime=docker"
    return (
        "install nvidia-container-toolkit, then: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
    )


PROBES = (Probe("engines", _ENGINES, parse_engines),)
