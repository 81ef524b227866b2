"""A controller of a local cluster, run as an operator runs it, and what goes on behind its back."""

from __future__ import annotations

import json
import signal
import subprocess
import urllib.request
from pathlib import Path

from local_cluster import COMMAND, LocalCluster, wait_until


class Controller:
    """One `distctl controller run` of a cluster, with all that it said."""

    def __init__(self, cluster: LocalCluster, name: str = "controller") -> None:
        self.log = cluster.folder / f"{name}.jsonl"
        with self.log.open("w") as sink:
            self.process = subprocess.Popen(
                [*COMMAND, "controller", "run", "-o", "json"],
                env=cluster.environment,
                cwd=cluster.folder,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )

    def said(self, kind: str) -> list[str]:
        """What it said of a kind so far."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line["text"] for line in lines if line["kind"] == kind]

    def wait_for(self, kind: str, text: str, seconds: float = 20.0) -> None:
        """Until it has said something."""
        wait_until(lambda: any(text in one for one in self.said(kind)), f"{kind}: {text}", seconds)

    def end(self) -> None:
        """Ctrl-C, as an operator presses it."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(30) == 0, self.log.read_text()

    def __enter__(self) -> Controller:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self.end()
        finally:
            print(self.log.read_text())
            self.process.kill()
            self.process.wait()


def ask_server(cluster: LocalCluster, node: str, what: str) -> None:
    """Post to a server itself, behind everybody's back: `repository/models/digits/unload`."""
    port = cluster.spec["nodes"][node]["servers"]["ports"]
    key = next(Path(cluster.root(node)).glob("units/server-0/key")).read_text().strip()
    url = f"http://127.0.0.1:{port}/v2/{what}"
    request = urllib.request.Request(url, data=b"{}", method="POST", headers={"distctl-key": key})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200
