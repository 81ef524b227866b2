"""The pump between a local process and its dialogue: all three streams at once, under one deadline."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from types import TracebackType
from typing import IO

from distctl.adapters.shell import Dialogue

GRACE = 0.3  # seconds of silence after the shell's end before output that a daemon holds open is given up
_POLL = 0.05  # seconds between two looks whether the shell ended while its output stays open
_CHUNK = 65536


class Exchange:
    """One process talking to its dialogue. Leaving the context kills and reaps what is left of it."""

    def __init__(self, process: subprocess.Popen[bytes], dialogue: Dialogue, until: float) -> None:
        self._process, self._dialogue, self._until = process, dialogue, until
        self._selector = selectors.DefaultSelector()
        self._sending = b""
        self._ended = False

    def __enter__(self) -> Exchange:
        for stream, taker in (
            (self._process.stdout, self._dialogue.stdout),
            (self._process.stderr, self._dialogue.stderr),
        ):
            assert stream is not None  # noqa: S101 - all three are pipes
            self._selector.register(stream, selectors.EVENT_READ, taker)
        assert self._process.stdin is not None  # noqa: S101
        os.set_blocking(self._process.stdin.fileno(), False)
        self._send(self._dialogue.opening())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._ended:
            self._kill()
        self._selector.close()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)

    @property
    def status(self) -> int:
        """The exit status once `pump` said that the process ended; 128 + n for one that signal n killed."""
        code = self._process.returncode
        return 128 - code if code < 0 else code

    def pump(self) -> bool:
        """Carry bytes both ways until the shell ended; False when the deadline came first or sudo refused."""
        quiet_since: float | None = None
        while not self._dialogue.refused:
            if time.monotonic() >= self._until:
                return False
            moved = self._step()
            self._ended = self._process.poll() is not None
            if not self._ended:
                continue
            if not self._listening():
                return True
            now = time.monotonic()
            quiet_since = now if moved or quiet_since is None else quiet_since
            if now - quiet_since >= GRACE:
                return True
        return False

    def _step(self) -> bool:
        moved = False
        if not self._listening():  # no output left to wait for, only the end
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(max(min(_POLL * 4, self._until - time.monotonic()), 0))
        for key, _ in self._selector.select(_POLL if self._selector.get_map() else 0):
            moved = True
            if key.fileobj is self._process.stdin:
                self._flush()
            else:
                self._receive(key)
        return moved

    def _receive(self, key: selectors.SelectorKey) -> None:
        chunk = os.read(key.fd, _CHUNK)
        if chunk:
            self._send(key.data(chunk))
        else:
            self._selector.unregister(key.fileobj)

    def _listening(self) -> bool:
        stdin = self._process.stdin
        return any(key.fileobj is not stdin for key in self._selector.get_map().values())

    def _send(self, data: bytes) -> None:
        stdin: IO[bytes] | None = self._process.stdin
        if not data or stdin is None:
            return
        if not self._sending:
            self._selector.register(stdin, selectors.EVENT_WRITE)
        self._sending += data

    def _flush(self) -> None:
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101
        try:
            self._sending = self._sending[os.write(stdin.fileno(), self._sending) :]
        except BlockingIOError:
            return
        except OSError:  # it no longer listens; its status tells why
            self._sending = b""
        if not self._sending:
            self._selector.unregister(stdin)
            if self._dialogue.started:
                stdin.close()

    def _kill(self) -> None:
        """End the group: at the deadline nothing of the script may run on."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
