"""This machine as a node: the same scripts, without ssh.

`connection: local` makes a workstation or a CI runner a whole cluster; a router `on: [local]` uses it too.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from distctl.adapters.copying import become_refused, copy_failed, part_name, placing, size_of
from distctl.adapters.exchange import Exchange
from distctl.adapters.shell import Dialogue, ending
from distctl.cluster.spec import Endpoint, Node, SecretRef
from distctl.errors import CommandFailed, DeadlineExceeded, NodeError, NothingListens
from distctl.ports import Progress, Result, Upload

_COPY = 1024 * 1024  # bytes
_ENDING = 1.5  # seconds for killing what ran past its deadline
_LONGEST_SOCKET_PATH = 100  # sun_path holds 108 bytes on Linux and 104 on macOS


class LocalConnector:
    """Runs scripts and copies files on this machine; fulfils `ports.Connector`.

    `secret` reads sudo's password where the node's `become` names one.
    """

    def __init__(self, node: Node, secret: Callable[[SecretRef], str] | None = None) -> None:
        self._node = node
        self._secret = secret

    def run(self, script: str, *, tried: str, deadline: float) -> Result:
        """Run a script; see `ports.Connector`. At the deadline its whole process group is killed."""
        dialogue = self._dialogue(script)
        try:
            status = _converse(dialogue, time.monotonic() + deadline)
        except OSError as error:
            raise NodeError(self._node.name, tried, str(error)) from error
        if dialogue.refused or (status is not None and not dialogue.started):
            raise become_refused(self._node.name, tried, dialogue)
        if status is None:
            output = dialogue.err.lines() or dialogue.out.lines()
            self._end(dialogue)
            raise DeadlineExceeded(self._node.name, tried, deadline, output=output)
        return Result(status, dialogue.out.text(), dialogue.err.text())

    def put(self, uploads: Sequence[Upload], *, deadline: float, progress: Progress | None = None) -> None:
        """Copy files; see `ports.Connector`. Each appears whole, by a rename on the file system it is on."""
        until = time.monotonic() + deadline
        if not self._becomes:
            self._copy([(upload.target, upload) for upload in uploads], until, deadline, progress)
            return
        with tempfile.TemporaryDirectory(prefix=".distctl-", dir=_home()) as folder:
            staged = [(f"{folder}/{index}", upload) for index, upload in enumerate(uploads)]
            self._copy(staged, until, deadline, progress)
            tried = "moving copies to their places"
            left = max(until - time.monotonic(), 0.1)
            result = self.run(placing(staged), tried=tried, deadline=left)
            if result.status:
                raise CommandFailed(
                    self._node.name, tried, result.status, output=result.stderr.splitlines()[-20:]
                )

    def dial(self, target: Endpoint | str, *, timeout: float) -> socket.socket:
        """A stream to a TCP endpoint or a unix socket of this machine; see `ports.Connector`."""
        try:
            if isinstance(target, Endpoint):
                return socket.create_connection((target.host, target.port), timeout)
            return _dial_unix(target, timeout)
        except (ConnectionRefusedError, FileNotFoundError) as error:
            raise NothingListens(
                self._node.name, f"connecting to {target}", "nothing listens there"
            ) from error
        except OSError as error:
            raise NodeError(
                self._node.name, f"connecting to {target}", error.strerror or str(error)
            ) from error

    def forward(self, target: Endpoint) -> Endpoint:
        """Where `target` is reached from this process, which is where it is."""
        return target

    def shell(self) -> int:
        """A shell on this machine, joined to this terminal until it ends; its exit status."""
        return subprocess.call([os.environ.get("SHELL") or "/bin/sh"])

    def close(self) -> None:
        """Nothing is kept open."""

    @property
    def _becomes(self) -> bool:
        return self._node.ssh.become is not None and os.geteuid() != 0

    def _end(self, dialogue: Dialogue) -> None:
        """Kill what sudo started: our own signal reaches no process of root."""
        if dialogue.become:
            with contextlib.suppress(OSError):
                _converse(self._dialogue(ending(dialogue.token)), time.monotonic() + _ENDING)

    def _dialogue(self, script: str) -> Dialogue:
        become = self._node.ssh.become
        token = secrets.token_hex(12)
        if become is None or not self._becomes:
            return Dialogue(script, token)
        password = self._secret(become.password) if become.password and self._secret else None
        return Dialogue(script, token, become=True, password=password)

    def _copy(
        self,
        pairs: Sequence[tuple[str, Upload]],
        until: float,
        deadline: float,
        progress: Progress | None,
    ) -> None:
        done = 0
        current = ""
        try:
            total = sum(size_of(upload) for _, upload in pairs)
            for current, upload in pairs:
                for copied in _copy_one(upload, Path(current)):
                    done += copied
                    if progress:
                        progress(done, total)
                    if time.monotonic() > until:
                        raise DeadlineExceeded(self._node.name, f"copying {current}", deadline)
        except OSError as error:
            raise copy_failed(self._node.name, current or str(error.filename), error) from error


def _converse(dialogue: Dialogue, until: float) -> int | None:
    """Run a dialogue's shell in a session of its own; its status, or None if it had to be killed."""
    process = subprocess.Popen(
        dialogue.argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        cwd=_home(),
        bufsize=0,
    )
    with Exchange(process, dialogue, until) as exchange:
        return exchange.status if exchange.pump() else None


def _copy_one(upload: Upload, target: Path) -> Iterator[int]:
    """Copy beside the target, make it durable, rename; yields the bytes of each step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(part_name(Upload(upload.source, str(target))))
    try:
        with part.open("wb") as sink:
            part.chmod(upload.mode)
            if isinstance(upload.source, bytes):
                sink.write(upload.source)
                yield len(upload.source)
            else:
                with upload.source.open("rb") as source:
                    while chunk := source.read(_COPY):
                        sink.write(chunk)
                        yield len(chunk)
            sink.flush()
            os.fsync(sink.fileno())
        part.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def _dial_unix(path: str, timeout: float) -> socket.socket:
    stream = socket.socket(socket.AF_UNIX)
    try:
        stream.settimeout(timeout)
        if len(path.encode()) <= _LONGEST_SOCKET_PATH:
            stream.connect(path)
            return stream
        with tempfile.TemporaryDirectory() as folder:  # a short name for a path that sockets cannot hold
            link = Path(folder) / "s"
            link.symlink_to(path)
            stream.connect(str(link))
    except BaseException:
        stream.close()
        raise
    return stream


def _home() -> str:
    home = Path.home()
    return str(home) if home.is_dir() else "/"
