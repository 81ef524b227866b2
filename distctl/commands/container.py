"""A server's container on docker or podman: the command lines that make, stop and look at it. Pure.

The container runs the unit's own start script, and the node's folder lies in it under the same path: key,
repository and the models that a restart comes back with are those of the unit, as they are for a process of
ours. What makes a container another one (image, ports, GPUs, volumes, arguments) is in the digest of its
command line, which is part of the settings that it carries as a label. It is found by its labels, never by
its name, so that a container of somebody else is never touched. Scripts that change something are to be run
inside `fence.guarded`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from distctl.cluster.spec import Server
from distctl.commands.files import quote, template
from distctl.commands.systemd import digest_of
from distctl.commands.units import Unit

ENGINES = ("docker", "podman")
MARK = "container"  # a unit's file that names the engine that its container was given to
LABEL = "distctl"
KEPT_LINES = 1000  # of a container's log, in the unit's own, once it is stopped


@dataclass(frozen=True, slots=True)
class Dialect:
    """What docker and podman say differently. All the rest of their command lines is the same.

    `restart` is the policy that brings a container back after a crash and a boot: podman has no daemon, and
    its podman-restart.service starts those with `always` alone. `log` bounds what a container may say:
    podman's k8s-file keeps one file, docker's json-file several. `authentication` names where a login is
    kept that is not the account's own.
    """

    restart: str
    log: tuple[str, ...]
    authentication: str


DIALECTS: Mapping[str, Dialect] = {
    "docker": Dialect(
        restart="unless-stopped",
        log=("--log-driver=json-file", "--log-opt=max-size=16m", "--log-opt=max-file=3"),
        authentication='DOCKER_CONFIG="$login"',
    ),
    "podman": Dialect(
        restart="always",
        log=("--log-driver=k8s-file", "--log-opt=max-size=48m"),
        authentication='REGISTRY_AUTH_FILE="$login/auth.json"',
    ),
}


@dataclass(frozen=True, slots=True)
class ContainerSettings:
    """How a server's container is to be made. `image` is a name with its digest, or an engine's own id.

    `devices` are GPUs: (`all`,), none, or indices and UUIDs; `gpus` says how the engine gives them (`gpus`
    or `cdi`). `account` is who it runs as, "" for the image's own user. `publish` is the address that ports
    are published at when `network` is not the machine's.
    """

    engine: str
    image: str
    network: str = "host"
    publish: str = ""
    ipc: str = "private"
    shm: int = 1024**3
    ulimits: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[str, ...] = ()  # PATH:PLACE:MODE
    arguments: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    gpus: str = ""
    account: str = ""
    init: bool = True
    confined: bool = False  # SELinux enforces: it would keep the container out of the node's folder
    exit_seconds: float = 30.0

    @property
    def dialect(self) -> Dialect:
        """What the engine says in its own way."""
        return DIALECTS[self.engine]


def container_digest(root: str, server: Server, settings: ContainerSettings) -> str:
    """A name for how a container is made: another one means another container."""
    words = [settings.engine, *_options(root, server, settings), settings.image]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16]


def container_name(root: str, server: Server) -> str:
    """What the container is called, for people; nothing is found by it."""
    return f"distctl-{server.id.node}-{server.id.server}-{digest_of(root)}"


def labels(root: str, server: Server, settings: str, generation: int) -> dict[str, str]:
    """What a container carries: whose it is, what it was made as, and in which generation."""
    cluster = root.rstrip("/").split("/")[-2]
    ports = f"{server.http_port},{server.grpc_port},{server.metrics_port}"
    own = {"cluster": cluster, "node": server.id.node, "server": server.id.server, "root": root}
    made = {"settings": settings, "generation": str(generation), "ports": ports}
    return {f"{LABEL}.{key}": value for key, value in {**own, **made}.items()}


def _options(root: str, server: Server, settings: ContainerSettings) -> list[str]:
    """The options of the engine's `run`, labels aside: those of the inventory last, so that they win."""
    limits = [f"--ulimit={name}={value}" for name, value in sorted(settings.ulimits.items())]
    return [
        f"--restart={settings.dialect.restart}",
        *settings.dialect.log,
        f"--stop-timeout={math.ceil(settings.exit_seconds) + 5}",
        *(["--init"] if settings.init else []),
        *([f"--user={settings.account}"] if settings.account else []),
        *(["--security-opt=label=disable"] if settings.confined else []),
        *_network(server, settings),
        *_memory(settings),
        *limits,
        *_devices(settings),
        f"--mount=type=bind,source={root},target={root}",
        *(_mount(volume) for volume in settings.volumes),
        *settings.arguments,
    ]


def _network(server: Server, settings: ContainerSettings) -> list[str]:
    if settings.network == "host":
        return ["--network=host"]
    host = f"[{settings.publish}]" if ":" in settings.publish else settings.publish
    ports = (server.http_port, server.grpc_port, server.metrics_port)
    return [f"--network={settings.network}", *(f"--publish={host}:{port}:{port}" for port in ports)]


def _memory(settings: ContainerSettings) -> list[str]:
    """Of its own, with a size; the machine's has one (podman refuses another, docker ignores it)."""
    size = [] if settings.ipc == "host" else [f"--shm-size={settings.shm}"]
    return [f"--ipc={settings.ipc}", *size]


def _devices(settings: ContainerSettings) -> list[str]:
    if settings.gpus == "cdi":
        return [f"--device=nvidia.com/gpu={name}" for name in settings.devices]
    if settings.devices in ((), ("all",)):
        return [f"--gpus={name}" for name in settings.devices]
    return [
        f'--gpus="device={",".join(settings.devices)}"'
    ]  # docker reads the value as CSV: hence its quotes


def _mount(volume: str) -> str:
    source, place, mode = volume.rsplit(":", 2)
    return f"--mount=type=bind,source={source},target={place}" + (",readonly" if mode == "ro" else "")


def label(key: str) -> str:
    """A label in a template of the engine's `inspect`."""
    return f'{{{{index .Config.Labels "{LABEL}.{key}"}}}}'


def start(unit: Unit, server: Server, container: ContainerSettings, settings: str, generation: int) -> str:
    """A script that makes and starts the container unless it runs, whatever state the last one is in.

    One with the same settings is started again, another one is replaced. It ends with 1 and what the engine
    said when no container could be started.
    """
    engine = container.engine
    words = [*_options(unit.root, server, container)]
    words += [
        f"--label={key}={value}" for key, value in labels(unit.root, server, settings, generation).items()
    ]
    words += [f"--name={container_name(unit.root, server)}"]
    options = " \\\n    ".join(quote(word) for word in words)
    return f"""{_functions(unit.root, server.id.server)}
cd {quote(unit.folder)} || exit 1
if [ -r {MARK} ] && [ "$(cat {MARK})" != {engine} ]; then
    remove "$(cat {MARK})" 0
fi
printf '%s\\n' {engine} > {MARK}
for id in $(ours {engine}); do
    case $({engine} inspect --format '{label("settings")} {{{{.State.Running}}}}' "$id") in
        {quote(f"{settings} true")}) exit 0 ;;
        {quote(f"{settings} false")}) {engine} start "$id" >/dev/null && exit 0 ;;
    esac
    {engine} rm -f "$id" >/dev/null || exit 1
done
{_image(engine, container.image)}
if [ -z "$image" ]; then
    echo "the image "{quote(container.image)}" is not on the node" >&2
    rm -f {MARK}
    exit 1
fi
clear_memory {quote(unit.shm_prefix)}
{engine} run --detach {options} \\
    "$image" sh {quote(unit.run)} >/dev/null && exit 0
for id in $(ours {engine}); do {engine} rm -f "$id" >/dev/null 2>&1; done
rm -f {MARK}
exit 1
"""


def _image(engine: str, image: str) -> str:
    """Lines that set `image` to the engine's own id of an image, empty when it is not there.

    By the id nothing is ever pulled, and an image that was built on the node has no other name for good.
    """
    bare = image.rpartition("@")[2]
    return (
        f"image=$({engine} image inspect --format '{{{{.Id}}}}' {quote(image)} 2>/dev/null ||\n"
        f"    {engine} image inspect --format '{{{{.Id}}}}' {quote(bare)} 2>/dev/null)"
    )


def stop(unit: Unit, server: Server, seconds: float) -> str:
    """A script that stops the server's container, if it has one, and removes it: SIGTERM, then SIGKILL.

    The last lines that it said become the unit's log. Whichever engine it was given to is asked.
    """
    return f"""{_functions(unit.root, server.id.server)}
cd {quote(unit.folder)} 2>/dev/null || exit 0
[ -r {MARK} ] || exit 0
remove "$(cat {MARK})" {math.ceil(seconds)} || exit 1
clear_memory {quote(unit.shm_prefix)}
rm -f {MARK}
"""


def _functions(root: str, server: str) -> str:
    return f"""{template("systemd/process.sh")}
ours() {{ "$1" ps --all --quiet --no-trunc \\
    --filter {quote(f"label={LABEL}.root={root}")} --filter {quote(f"label={LABEL}.server={server}")}; }}
remove() {{
    for id in $(ours "$1"); do
        "$1" logs --tail {KEPT_LINES} "$id" > log 2>&1
        "$1" stop -t "$2" "$id" >/dev/null
        "$1" rm -f "$id" >/dev/null || return 1
    done
}}"""


def tail(unit: Unit, server: str, lines: int, otherwise: str) -> str:
    """A script that prints the last lines of a server's container; without one it does `otherwise`."""
    return f"""{_functions(unit.root, server)}
id=
if cd {quote(unit.folder)} 2>/dev/null && [ -r {MARK} ]; then
    engine=$(cat {MARK}) id=$(ours "$engine" | head -n 1)
fi
if [ -n "$id" ]; then
    "$engine" logs --tail {lines} "$id" 2>&1
else
    {otherwise}
fi
true
"""
