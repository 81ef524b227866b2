"""What goes on until it is ended: `top` in a real terminal, `events -w` beside a command."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator

import pytest
from local_cluster import COMMAND, LocalCluster, local_cluster, wait_until


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with local_cluster(nodes=1, models={"digits": 1}) as cluster:
        cluster.up()
        yield cluster


class Terminal:
    """A command in a terminal of 80 columns and 24 lines; `text` is all that it wrote."""

    def __init__(self, cluster: LocalCluster, *words: str) -> None:
        self._end, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(other)
        environment = {**cluster.environment, "TERM": "xterm-256color"}
        environment.pop("COLUMNS", None)
        self.process = subprocess.Popen(
            [*COMMAND, *words], stdin=other, stdout=other, stderr=other, env=environment, cwd=cluster.folder
        )
        self._other = other
        os.set_blocking(self._end, False)
        self.text = ""

    def has(self, *words: str) -> bool:
        with contextlib.suppress(BlockingIOError):
            while read := os.read(self._end, 65_536):
                self.text += read.decode(errors="replace")
        return all(word in self.text for word in words)

    def press(self, keys: str) -> None:
        os.write(self._end, keys.encode())

    def ended(self) -> tuple[int, bool]:
        """Its exit code, and whether the terminal is as it was."""
        wait_until(lambda: self.has() or self.process.poll() is not None, "it ends", 15)
        return self.process.returncode, termios.tcgetattr(self._other) == self.before

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._end)
        os.close(self._other)


@pytest.fixture
def terminal(cluster: LocalCluster) -> Iterator[Terminal]:
    made = Terminal(cluster, "top")
    try:
        yield made
    finally:
        made.close()


def test_top_moves_in_a_terminal_and_leaves_it_as_it_was(cluster: LocalCluster, terminal: Terminal) -> None:
    with cluster.load("digits:http") as load:
        wait_until(lambda: terminal.has("REQ/S", "digits", "main@local", "1/1"), "a picture", 30)
        wait_until(lambda: terminal.has("▁") or terminal.has("█"), "a sparkline", 20)
    load.report.require_whole()
    terminal.press("s")
    wait_until(lambda: terminal.has("by state"), "another order", 10)
    terminal.press("q")
    assert terminal.ended() == (0, True)
    assert "\x1b[?1049l" in terminal.text, "the screen from before is shown again"


def test_a_signal_ends_top_like_a_key(terminal: Terminal) -> None:
    wait_until(lambda: terminal.has("digits"), "a picture", 30)
    terminal.process.send_signal(signal.SIGTERM)
    code, as_before = terminal.ended()
    assert (code in (0, 143), as_before) == (True, True)
    assert "Traceback" not in terminal.text


def test_events_come_as_they_happen(cluster: LocalCluster) -> None:
    watching = cluster.begin("events", "-w", "-o", "json", "--node", "n1", "--since", "0")
    try:
        time.sleep(2)
        cluster.run("cordon", "n1", "-m", "a test")
        assert watching.stdout is not None
        event = json.loads(watching.stdout.readline())
        assert (event["kind"], event["subject"], event["text"]) == ("cordon", "n1", "a test")
        watching.send_signal(signal.SIGINT)
        assert watching.wait(10) == 0
    finally:
        watching.kill()
        watching.communicate()
        cluster.run("undrain", "n1")
