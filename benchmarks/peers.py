"""The routers that distctl's is measured against: plain HAProxy and nginx, over the same Tritons.

`plain` is what a first page of documentation gives; `tuned` is what somebody writes who knows that a POST
is not repeated by default.
"""

from __future__ import annotations

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
daemon off;
worker_processes auto;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  upstream rest {{ least_conn; {rest} keepalive 64; keepalive_requests 1000000000; }}
  upstream grpc {{ least_conn; {grpcs} keepalive 64; keepalive_requests 1000000000; }}
  {tuned}
  server {{
    listen 127.0.0.1:{http};
    location / {{ proxy_pass http://rest; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
  server {{
    listen 127.0.0.1:{grpc} http2;
    location / {{ grpc_pass grpc://grpc; }}
  }}
}}
"""
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


LEAN = "distctl, replay to 1 KiB"


def ours(cluster: LocalCluster, *, lean: bool = False) -> Target:
    """distctl's own router; `lean`: the one that keeps only small requests for a second try."""
    if lean:
        return Target(LEAN, cluster.base + 5, cluster.base + 6, cluster.router_pid("lean"))
    return Target("distctl", *cluster.router, cluster.router_pid())


def direct(cluster: LocalCluster) -> Target:
    """One of the Tritons, asked directly."""
    return Target("direct", *cluster.servers[0])


def haproxy_config(cluster: LocalCluster, http: int) -> str:
    """The plain HAProxy configuration."""
    rest = [f"  server t{n} 127.0.0.1:{h} check" for n, (h, _) in enumerate(cluster.servers)]
    grpcs = [
        f"  server t{n} 127.0.0.1:{g} proto h2 check check-proto h1 port {h}"
        for n, (h, g) in enumerate(cluster.servers)
    ]
    return PLAIN_HAPROXY.format(http=http, grpc=http + 1, rest="\n".join(rest), grpcs="\n".join(grpcs))


def nginx_config(cluster: LocalCluster, http: int, folder: Path, *, tuned: bool) -> str:
    """nginx with keep-alive and least_conn; `tuned` also repeats requests on another server."""
    return NGINX.format(
        folder=folder,
        http=http,
        grpc=http + 1,
        rest=" ".join(f"server 127.0.0.1:{h};" for h, _ in cluster.servers),
        grpcs=" ".join(f"server 127.0.0.1:{g};" for _, g in cluster.servers),
        tuned=TUNED_NGINX if tuned else "",
    )


@contextmanager
def peers(cluster: LocalCluster, folder: Path, *, tuned: bool) -> Iterator[list[Target]]:
    """Plain HAProxy and nginx (and a tuned nginx), for as long as the block runs."""
    with ExitStack() as stack:
        found = [stack.enter_context(_haproxy(cluster, folder / "haproxy", cluster.base + 10))]
        if shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"):
            found.append(stack.enter_context(_nginx(cluster, folder / "nginx", cluster.base + 20, False)))
            if tuned:
                found.append(stack.enter_context(_nginx(cluster, folder / "tuned", cluster.base + 30, True)))
        yield found


@contextmanager
def _haproxy(cluster: LocalCluster, folder: Path, http: int) -> Iterator[Target]:
    folder.mkdir(parents=True)
    (folder / "haproxy.cfg").write_text(haproxy_config(cluster, http))
    binary = f"/proc/{cluster.router_pid()}/exe"  # the very executable that distctl's router is
    with _process([binary, "-db", "-f", str(folder / "haproxy.cfg")], http) as pid:
        yield Target("HAProxy, plain", http, http + 1, pid)


@contextmanager
def _nginx(cluster: LocalCluster, folder: Path, http: int, tuned: bool) -> Iterator[Target]:
    folder.mkdir(parents=True)
    (folder / "nginx.conf").write_text(nginx_config(cluster, http, folder, tuned=tuned))
    name = "nginx, tuned" if tuned else "nginx"
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin") or "nginx"
    with _process([nginx, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")], http) as pid:
        yield Target(name, http, http + 1, pid)


@contextmanager
def _process(argv: Sequence[str], http: int) -> Iterator[int]:
    process = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(process, http)
        yield process.pid
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], http: int) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{http}/v2/health/ready", timeout=1):
            return
        time.sleep(0.1)
    raise RuntimeError(f"nothing answers on port {http}: {process.args!r}")
