"""The routers that distctl's is measured against: plain HAProxy and nginx, over the same Tritons.

`plain` is what a first page of documentation gives; `tuned` is what somebody writes who knows that a POST
is not repeated by default.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cluster import LocalCluster

PLAIN_HAPROXY = """\
global
  maxconn 1000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  balance leastconn
  option httpchk GET /v2/health/ready
frontend rest
  bind 127.0.0.1:{http}
  default_backend rest
backend rest
{rest}
frontend grpc
  bind 127.0.0.1:{grpc} proto h2
  default_backend grpc
backend grpc
{grpcs}
"""

NGINX = """\
{user}daemon off;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_max_body_size 0;
  keepalive_requests 1000000000;
{inside}
}}
"""
NGINX_ROUTER = """\
  upstream rest {{ least_conn; {rest} keepalive 64; keepalive_requests 1000000000; }}
  upstream grpc {{ least_conn; {grpcs} keepalive 64; keepalive_requests 1000000000; }}
  {tuned}
  server {{
    listen {listen}{http};
    location / {{ proxy_pass http://rest; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
  server {{
    listen {listen}{grpc} http2;
    location / {{ grpc_pass grpc://grpc; }}
  }}
"""

CADDY = """\
{{
  admin off
  auto_https off
  servers {{
    protocols h1 h2c
  }}
}}
http://127.0.0.1:{http} {{
  reverse_proxy {rest} {{
    lb_policy least_conn
  }}
}}
http://127.0.0.1:{grpc} {{
  reverse_proxy {grpcs} {{
    lb_policy least_conn
  }}
}}
"""
WHERE = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
TUNED_NGINX = """\
proxy_next_upstream error timeout non_idempotent; proxy_connect_timeout 1s;
  grpc_next_upstream error timeout non_idempotent; grpc_connect_timeout 1s;"""


@dataclass(frozen=True, slots=True)
class Target:
    """Something that answers inference: its ports, and the process whose family spends the CPU (0: none)."""

    name: str
    http: int
    grpc: int
    pid: int = 0


def ours(cluster: LocalCluster) -> Target:
    """distctl's own router."""
    return Target("distctl", *cluster.router, cluster.router_pid())


def direct(cluster: LocalCluster) -> Target:
    """One of the Tritons, asked directly."""
    return Target("direct", *cluster.servers[0])


def haproxy_config(servers: Sequence[tuple[int, int]], http: int) -> str:
    """The plain HAProxy configuration over servers, each with its ports for HTTP and gRPC."""
    rest = [f"  server t{n} 127.0.0.1:{h} check" for n, (h, _) in enumerate(servers)]
    grpcs = [
        f"  server t{n} 127.0.0.1:{g} proto h2 check check-proto h1 port {h}"
        for n, (h, g) in enumerate(servers)
    ]
    return PLAIN_HAPROXY.format(http=http, grpc=http + 1, rest="\n".join(rest), grpcs="\n".join(grpcs))


def nginx_config(inside: str, folder: Path, workers: str) -> str:
    """A configuration of nginx with this in its `http`."""
    user = "user root;\n" if os.geteuid() == 0 else ""  # nobody could not keep large bodies in our folder
    return NGINX.format(user=user, workers=workers, folder=folder, inside=inside)


def nginx_router(servers: Sequence[tuple[int, int]], http: int, *, tuned: bool) -> str:
    """nginx with keep-alive and least_conn; `tuned` also repeats requests on another server."""
    return nginx_between(
        [f"127.0.0.1:{h}" for h, _ in servers],
        [f"127.0.0.1:{g}" for _, g in servers],
        http,
        listen="127.0.0.1:",
        tuned=TUNED_NGINX if tuned else "",
    )


def nginx_between(
    rest: Sequence[str], grpcs: Sequence[str], http: int, *, tuned: str, listen: str = ""
) -> str:
    """nginx over servers, each as `ADDRESS:PORT`; `listen` is its own address with a colon, "" for all."""
    return NGINX_ROUTER.format(
        http=http,
        grpc=http + 1,
        rest=" ".join(f"server {server};" for server in rest),
        grpcs=" ".join(f"server {server};" for server in grpcs),
        listen=listen,
        tuned=tuned,
    )


@contextmanager
def peers(cluster: LocalCluster, folder: Path, *, tuned: bool) -> Iterator[list[Target]]:
    """Plain HAProxy and nginx (and a tuned nginx), for as long as the block runs."""
    servers, base = cluster.servers, cluster.base
    binary = f"/proc/{cluster.router_pid()}/exe"  # the very executable that distctl's router is
    with ExitStack() as stack:
        found = [stack.enter_context(plain_haproxy(binary, servers, folder / "haproxy", base + 10))]
        if shutil.which("nginx", path=WHERE):
            found.append(stack.enter_context(nginx_target(servers, folder / "nginx", base + 20)))
            if tuned:
                found.append(
                    stack.enter_context(nginx_target(servers, folder / "tuned", base + 30, tuned=True))
                )
        yield found


@contextmanager
def plain_haproxy(
    binary: str, servers: Sequence[tuple[int, int]], folder: Path, http: int
) -> Iterator[Target]:
    """A plain HAProxy over servers, for as long as the block runs."""
    folder.mkdir(parents=True)
    (folder / "haproxy.cfg").write_text(haproxy_config(servers, http))
    with process([binary, "-db", "-f", str(folder / "haproxy.cfg")], http) as pid:
        yield Target("HAProxy, plain", http, http + 1, pid)


@contextmanager
def nginx(inside: str, folder: Path, http: int, workers: str = "auto") -> Iterator[int]:
    """nginx with this in its `http`, for as long as the block runs; its pid."""
    folder.mkdir(parents=True)
    (folder / "nginx.conf").write_text(nginx_config(inside, folder, workers))
    binary = shutil.which("nginx", path=WHERE)
    if binary is None:
        raise RuntimeError("nginx is not installed")
    with process([binary, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")], http) as pid:
        yield pid


@contextmanager
def nginx_target(
    servers: Sequence[tuple[int, int]], folder: Path, http: int, *, tuned: bool = False
) -> Iterator[Target]:
    """nginx as a router over servers, for as long as the block runs."""
    with nginx(nginx_router(servers, http, tuned=tuned), folder, http) as pid:
        yield Target("nginx, tuned" if tuned else "nginx", http, http + 1, pid)


@contextmanager
def caddy(servers: Sequence[tuple[int, int]], folder: Path, http: int) -> Iterator[Target]:
    """Caddy over servers, for as long as the block runs."""
    folder.mkdir(parents=True)
    to = [
        " ".join(f"{scheme}127.0.0.1:{ports[n]}" for ports in servers)
        for n, scheme in ((0, ""), (1, "h2c://"))
    ]
    (folder / "Caddyfile").write_text(CADDY.format(http=http, grpc=http + 1, rest=to[0], grpcs=to[1]))
    binary = shutil.which("caddy", path=WHERE) or "caddy"
    words = [binary, "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
    with process(words, http, XDG_DATA_HOME=str(folder), XDG_CONFIG_HOME=str(folder)) as pid:
        yield Target("Caddy", http, http + 1, pid)


@contextmanager
def process(argv: Sequence[str], http: int, *, seconds: float = 10, **environment: str) -> Iterator[int]:
    """A process for as long as the block runs, once it answers on a port; its pid. Raises RuntimeError."""
    started = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
        start_new_session=True,  # as a service has: a busy Linux shares its cores out between sessions
    )
    try:
        _wait(started, http, seconds)
        yield started.pid
    finally:
        started.terminate()
        with suppress(subprocess.TimeoutExpired):
            started.wait(5)
        started.kill()
        started.wait()


def _wait(process: subprocess.Popen[bytes], http: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{http}/v2/health/ready", timeout=1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"nothing answers on port {http}: {process.args!r}")
