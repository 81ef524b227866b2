"""Triton's start script: the same bytes for the same wish, so that a digest tells whether anything changed.

The script takes every path from its own place (`ROOT/units/UNIT`), so it is known before the node was ever
looked at. It starts in an empty environment, since a server that inherits one behaves differently under
ssh, systemd and cron; the python backend's stub finds its packages through the first `python3` on PATH, so
an environment of ours with NumPy 1 comes first. Model control and everything else that changes a server or
runs code is restricted by a random key that stays on the node.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from distctl.cluster.spec import Server
from distctl.commands.files import quote
from distctl.commands.units import SETTINGS, Unit

KEY_HEADER = "distctl-key"
GRPC_KEY_HEADER = f"triton-grpc-protocol-{KEY_HEADER}"

# What can run code, read the machine's memory or files, or change how the server runs. Statistics stay open.
RESTRICTED = "model-repository,shared-memory,trace,logging"

ANYWHERE = "0.0.0.0"  # noqa: S104 - every interface, inside a network of an engine's own
# Releases of 2025 and later refuse REST bodies beyond 64 MiB unless they are told another size; this is what
# Triton takes over gRPC. A router's `limits.body` is the place to bound requests.
LARGEST = "--http-max-input-size"
LARGEST_BODY = 2**31 - 1  # bytes

IMAGE_TRITON = "/opt/tritonserver/bin/tritonserver"  # where NVIDIA's images have it

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Python:
    """The interpreter that the python backend embeds: `3.11`, its executable, its libpython's folder."""

    version: str
    path: str
    library: str


@dataclass(frozen=True, slots=True)
class TritonSettings:
    """How a server is to be started, models aside.

    `runtime` is the digest of a pushed runtime, `path` an existing tritonserver folder instead of it,
    `container` the digest of how the container is made that the script runs in; one of them is set. `python`
    may be None with `path` only: then that installation finds its own. An image brings both.
    """

    bind: str
    runtime: str = ""
    path: str = ""
    container: str = ""
    python: Python | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    exit_seconds: float = 30.0  # how long Triton itself waits for requests at SIGTERM


def unit_name(server: Server) -> str:
    """The name of a server's unit."""
    return f"server-{server.id.server}"


def unit(root: str, server: Server, exit_seconds: float = 30.0) -> Unit:
    """A server's unit. Its supervisor waits a little longer than Triton's own exit time."""
    return Unit(
        root, unit_name(server), stop_seconds=exit_seconds + 5, shm_prefix=memory_prefix(root, server)
    )


def memory_prefix(root: str, server: Server) -> str:
    """How the names of the shared memory of this server's stubs begin, on this machine unlike any other's."""
    return f"distctl_{hashlib.sha256(f'{root}/{server.id.server}'.encode()).hexdigest()[:10]}_"


def bind_address(host: str, addresses: Iterable[str]) -> str:
    """Where a server listens: on its serve address when the node has it, else (NAT, a name) on every one."""
    if host == "localhost":
        return "127.0.0.1"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "0.0.0.0"  # noqa: S104 - a name: the node may know it by another address
    if address.is_loopback or host in set(addresses):
        return host
    return "::" if address.version == 6 else "0.0.0.0"  # noqa: S104, PLR2004


def visible_devices(server: Server) -> dict[str, str]:
    """The variable by which CUDA, and with it Triton, sees a server's devices alone; nothing for all."""
    return {} if server.gpus is None else {"CUDA_VISIBLE_DEVICES": ",".join(server.gpus)}


def settings_digest(root: str, server: Server, settings: TritonSettings) -> str:
    """A name for how a server is started, models aside: another one means that it must be started anew."""
    return hashlib.sha256(_body(root, server, settings, ()).encode()).hexdigest()[:16]


def run_script(root: str, server: Server, settings: TritonSettings, models: Iterable[str]) -> str:
    """The start script that comes up with these models, sorted, since explicit mode forgets them."""
    mark = f"{SETTINGS} {settings_digest(root, server, settings)}"
    return f"#!/bin/sh\n{mark}\n{_body(root, server, settings, sorted(set(models)))}"


def _body(root: str, server: Server, settings: TritonSettings, models: Iterable[str]) -> str:
    words = [
        *_arguments(root, server, settings),
        *(quote(word) for word in settings.arguments),
        *(quote(f"--load-model={model}") for model in models),
    ]
    lines = " \\\n    ".join(words)
    return f"""# Written by distctl: the command line of server {server.id}.
cd "${{0%/*}}" || exit 1
unit=$(pwd -P)
{_in_image(settings) if settings.container else _on_node(settings)}
read -r key < key || exit 1
mkdir -p repository
tritonserver() {{
    {_command(settings)} "$@"
}}
large=$( (tritonserver --help) 2>&1 | grep -o -m 1 -e {LARGEST}) # older ones have none
tritonserver ${{large:+"$large={LARGEST_BODY}"}} \\
    {lines}
"""


def _on_node(settings: TritonSettings) -> str:
    return f"triton={_triton_folder(settings)}\n{_python_lines(settings)}"


def _in_image(settings: TritonSettings) -> str:
    """NVIDIA's image has it on PATH and in a known place; its environment is kept as it is."""
    return f"""# In a container that is made as {settings.container}.
triton=$(command -v tritonserver || echo {IMAGE_TRITON})"""


def _command(settings: TritonSettings) -> str:
    variables = " \\\n        ".join(
        f"{name}={quote(value)}" for name, value in sorted(settings.environment.items())
    )
    if settings.container:
        return f'exec env {variables} "$triton"' if variables else 'exec "$triton"'
    return (
        'exec env -i HOME="$unit" LANG=C.UTF-8 PATH="$path" LD_LIBRARY_PATH="$libraries" \\\n'
        f'        {variables + " " if variables else ""}"$triton/bin/tritonserver"'
    )


def _triton_folder(settings: TritonSettings) -> str:
    return quote(settings.path) if settings.path else f'"${{unit%/units/*}}/runtime/{settings.runtime}"'


def _python_lines(settings: TritonSettings) -> str:
    """The environment of the python backend, made anew at each start: an interpreter's link and NumPy 1."""
    python = settings.python
    if python is None:
        return f'path={SYSTEM_PATH}\nlibraries="$triton/lib"'
    libraries = f'libraries="$triton/lib:"{quote(python.library)}'
    if settings.path:
        return f"path={quote(python.path.rpartition('/')[0])}:{SYSTEM_PATH}\n{libraries}"
    home = python.path.rpartition("/")[0]
    packages = f"python/lib/python{python.version}"
    return f"""mkdir -p python/bin {packages} || exit 1
ln -sfn {quote(python.path)} python/bin/python3
ln -sfn "$triton/python/site-packages" {packages}/site-packages
printf 'home = %s\\nversion = %s\\n' {quote(home)} {python.version} > python/pyvenv.cfg
path="$unit/python/bin:{SYSTEM_PATH}"
{libraries}"""


def _arguments(root: str, server: Server, settings: TritonSettings) -> list[str]:
    """Triton's own arguments; those with `$` are double-quoted for the script."""
    plain = quote(settings.bind)
    bracketed = quote(f"[{settings.bind}]") if ":" in settings.bind else plain
    http = quote(f"ipv6:{settings.bind}") if ":" in settings.bind else plain
    return [
        '--model-repository="$unit/repository"',
        "--model-control-mode=explicit",
        "--strict-readiness=false",
        "--exit-on-error=false",
        f"--exit-timeout-secs={math.ceil(settings.exit_seconds)}",
        f"--http-address={http}",
        f"--http-port={server.http_port}",
        f"--grpc-address={bracketed}",
        f"--grpc-port={server.grpc_port}",
        f"--metrics-address={http}",
        f"--metrics-port={server.metrics_port}",
        f'--http-restricted-api={RESTRICTED}:{KEY_HEADER}="$key"',
        f'--grpc-restricted-protocol={RESTRICTED}:{KEY_HEADER}="$key"',
        *([] if settings.container else ['--backend-directory="$triton/backends"']),
        f"--backend-config=python,shm-region-prefix-name={memory_prefix(root, server)}",
    ]
