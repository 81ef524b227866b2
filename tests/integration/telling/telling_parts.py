"""A controller's desk over what a test says it knows, and a real Prometheus and Alertmanager to read it."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from distctl.adapters.telling import Desk
from distctl.cluster.spec import Endpoint
from distctl.policy.outlook import Outlook

TOKEN = "t0ken-of-the-test"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def eventually(claim: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Wait until a claim holds."""
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, f"it did not come true: {what}"
        time.sleep(0.1)


def get(port: int, path: str, headers: Mapping[str, str] | None = None) -> http.client.HTTPResponse:
    """One answer, its body in `.text`."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path, headers=dict(headers or {}))
    answer = connection.getresponse()
    answer.text = answer.read().decode()  # type: ignore[attr-defined]
    connection.close()
    return answer


class Told:
    """A desk on a port of this machine; `outlook` is what its controller knows, and may be set."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.outlook = Outlook()
        self.said: list[tuple[str, str]] = []
        self.port = port or free_port()
        say = lambda *said: self.said.append(said)  # noqa: E731
        self.desk = Desk(Endpoint(host, self.port), "prod", TOKEN, lambda: self.outlook, say)

    def __enter__(self) -> Told:
        self.desk.start()
        eventually(lambda: bool(self.said), "somebody listens")
        return self

    def __exit__(self, *_: object) -> None:
        self.desk.close()

    def get(self, path: str, **headers: str) -> Any:
        return get(self.port, path, {name.replace("_", "-"): value for name, value in headers.items()})


class Program:
    """A Debian program that serves on a port until the end of the block."""

    def __init__(self, port: int, folder: Path, *words: str) -> None:
        self.port, self._folder, self._words = port, folder, words

    def __enter__(self) -> Program:
        self._log = (self._folder / f"{self._words[0]}.log").open("wb")
        self._process = subprocess.Popen(self._words, cwd=self._folder, stdout=self._log, stderr=self._log)
        eventually(self._answers, f"{self._words[0]} answers")
        return self

    def _answers(self) -> bool:
        assert self._process.poll() is None, Path(self._log.name).read_text()[-2000:]
        try:
            return get(self.port, "/-/ready").status == 200
        except OSError:
            return False

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()

    def json(self, path: str, **query: str) -> Any:
        """What it answers to a question."""
        answer: Any = get(self.port, f"{path}?{urllib.parse.urlencode(query)}")
        return json.loads(answer.text)

    def series(self, query: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each series that a query of Prometheus finds."""
        found = self.json("/api/v1/query", query=query)
        assert found["status"] == "success", (query, found)
        return [(one["metric"], float(one["value"][1])) for one in found["data"]["result"]]


def prometheus(folder: Path) -> Program:
    """A Prometheus of the folder's prometheus.yml."""
    port = free_port()
    words = (f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}")
    return Program(port, folder, "prometheus", "--config.file=prometheus.yml", "--log.level=warn", *words)


def alertmanager(folder: Path) -> Program:
    """An Alertmanager that keeps what it is told of."""
    port = free_port()
    (folder / "alertmanager.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    words = (f"--storage.path={folder / 'alerts'}", f"--web.listen-address=127.0.0.1:{port}")
    alone = ("--cluster.listen-address=", "--log.level=warn")
    config = "--config.file=alertmanager.yml"
    return Program(port, folder, "prometheus-alertmanager", config, *words, *alone)
