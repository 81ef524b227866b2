"""A registry of the suite's own (Debian's docker-registry), with or without a login, that can be gone."""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bcrypt
from images import MANIFEST, Blob, Picture

FIRST_PORT, LAST_PORT = 24800, 24900


class Registry:
    """Serves what was pushed to it at `address`, by plain HTTP. `login` is USER:PASSWORD, if it wants one."""

    def __init__(self, folder: Path, *, host: str = "127.0.0.1", login: str = "") -> None:
        self.folder, self.host, self.login = folder, host, login
        self.port = _free_port(host)
        self.address = f"{host}:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._configure()
        self.start()

    def image(self, name: str = "triton", tag: str = "1") -> str:
        """The name of an image there."""
        return f"{self.address}/{name}:{tag}"

    def start(self) -> None:
        """Serve, and return when it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["docker-registry", "serve", str(self.folder / "config.yml")],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + 10
        while not self._answers():
            assert time.monotonic() < until, (self.folder / "log").read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        """Be gone, connections included."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Take connections and answer nothing until `thaw` or `stop`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def push(self, picture: Picture, name: str = "triton", tag: str = "1") -> str:
        """Store an image under a tag; what comes back is its name there."""
        for blob in picture.blobs:
            if self._ask("HEAD", f"/v2/{name}/blobs/{blob.digest}")[0] != 200:
                self._upload(name, blob)
        kind = {"Content-Type": MANIFEST}
        status, said = self._ask("PUT", f"/v2/{name}/manifests/{tag}", picture.manifest.read(), kind)
        assert status == 201, said
        return self.image(name, tag)

    def damage(self, blob: Blob) -> None:
        """Let a stored blob be other bytes than its digest says, of the same length."""
        (stored,) = self.folder.glob(f"data/**/sha256/*/{blob.digest.removeprefix('sha256:')}/data")
        content = bytearray(stored.read_bytes())
        content[len(content) // 2] ^= 255
        stored.write_bytes(bytes(content))

    def _answers(self) -> bool:
        try:
            return self._ask("GET", "/v2/")[0] in (200, 401)
        except OSError:
            return False

    def _upload(self, name: str, blob: Blob) -> None:
        connection, headers = self._connection()
        connection.request("POST", f"/v2/{name}/blobs/uploads/", headers=headers)
        answer = connection.getresponse()
        answer.read()
        place = answer.headers["Location"].partition(self.address)[2]
        mark = "&" if "?" in place else "?"
        whole = {**headers, "Content-Type": "application/octet-stream"}
        connection.request("PUT", f"{place}{mark}digest={blob.digest}", body=blob.read(), headers=whole)
        answer = connection.getresponse()
        assert answer.status == 201, answer.read()
        connection.close()

    def _ask(
        self, method: str, path: str, body: bytes | None = None, more: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        connection, headers = self._connection()
        connection.request(method, path, body=body, headers={**headers, **(more or {})})
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        return answer.status, said

    def _connection(self) -> tuple[http.client.HTTPConnection, dict[str, str]]:
        basic = base64.b64encode(self.login.encode()).decode()
        return http.client.HTTPConnection(self.host, self.port, timeout=30), (
            {"Authorization": f"Basic {basic}"} if self.login else {}
        )

    def _configure(self) -> None:
        config: dict[str, object] = {
            "version": "0.1",
            "log": {"accesslog": {"disabled": True}, "level": "error"},
            "storage": {
                "filesystem": {"rootdirectory": str(self.folder / "data")},
                "delete": {"enabled": True},
            },
            "http": {"addr": self.address, "secret": "suite"},
        }
        if self.login:
            user, _, password = self.login.partition(":")
            hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
            (self.folder / "htpasswd").write_text(f"{user}:{hashed}\n")
            config["auth"] = {"htpasswd": {"realm": "suite", "path": str(self.folder / "htpasswd")}}
        (self.folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML


def _free_port(host: str) -> int:
    start = FIRST_PORT + os.getpid() % 50
    for port in range(start, LAST_PORT):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((host, port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free for a registry")


@contextmanager
def registry(folder: Path, *, host: str = "127.0.0.1", login: str = "") -> Iterator[Registry]:
    """A registry that keeps its data in `folder` and is gone at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Registry(folder, host=host, login=login)
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)
