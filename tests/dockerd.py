"""A real docker daemon of the suite's own, beside whatever daemon the machine has."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

NEEDED = ("docker", "dockerd", "containerd", "runc")
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def missing() -> str:
    """Why a daemon cannot be had here; empty when it can."""
    if os.geteuid() != 0:
        return "a docker daemon needs root"
    lacking = [tool for tool in NEEDED if not shutil.which(tool, path=PATH)]
    return f"docker needs {', '.join(lacking)} (apt-get install docker.io)" if lacking else ""


@dataclass(frozen=True)
class Docker:
    """docker as a client of the daemon in `folder`."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"DOCKER_HOST": f"unix://{self.folder}/docker.sock"}

    def run(self, *words: str, check: bool = True, timeout: float = 60) -> str:
        """What docker prints."""
        done = subprocess.run(
            ["docker", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
            env={**os.environ, **self.environment},
        )
        assert not check or done.returncode == 0, f"docker {' '.join(words)}: {done.stderr}"
        return done.stdout

    def containers(self, label: str) -> list[str]:
        """The ids of the containers with a label, running or not."""
        return self.run("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={label}").split()


@contextmanager
def dockerd() -> Iterator[Docker]:
    """A daemon without a network of its own; nothing of it is left at the end."""
    folder = Path(f"/run/distctl-docker-{secrets.token_hex(3)}")  # short: containerd's sockets are in it
    data = Path.home() / ".cache/distctl-test" / folder.name
    for place in (folder, data):
        place.mkdir(parents=True)
    (folder / "daemon.json").write_text(json.dumps({"storage-driver": "overlay2"}))
    words = ["dockerd", "--config-file", str(folder / "daemon.json"), "--data-root", str(data)]
    words += ["--exec-root", str(folder / "exec"), "--pidfile", str(folder / "pid")]
    words += [
        "--host",
        f"unix://{folder}/docker.sock",
        "--iptables=false",
        "--ip6tables=false",
        "--bridge=none",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PATH": PATH},
        )
    try:
        docker = Docker(folder)
        _wait(docker, process)
        yield docker
        if left := docker.run("ps", "--all", "--quiet").split():
            docker.run("rm", "--force", *left)
    finally:
        process.terminate()
        process.wait(20)
        for place in (folder, data):
            subprocess.run(
                f"grep -o '{place}[^ ]*' /proc/self/mounts | xargs -r umount -l", shell=True, check=False
            )
            shutil.rmtree(place, ignore_errors=True)


def _wait(docker: Docker, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while not docker.run("version", "--format", "{{.Server.Version}}", check=False).strip():
        assert process.poll() is None, (docker.folder / "log").read_text()[-2000:]
        assert time.monotonic() < until, (docker.folder / "log").read_text()[-2000:]
        time.sleep(0.2)
