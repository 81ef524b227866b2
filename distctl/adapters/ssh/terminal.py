"""This terminal, joined to a shell on a node until that ends."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from types import FrameType

import paramiko

BLOCK = 32 * 1024
LAST_WORD = 5.0  # seconds; sshd may send the end of the output before the status


def join(channel: paramiko.Channel) -> int:
    """Start a login shell in `channel` and pass everything on, both ways; its exit status.

    Every key goes to the node, Ctrl-C too. Raises OSError when the connection is lost.
    """
    size = shutil.get_terminal_size()
    channel.get_pty(os.environ.get("TERM", "vt100"), size.columns, size.lines)
    channel.invoke_shell()
    with _raw(), _resized(channel):
        _pass_on(channel)
    return channel.recv_exit_status() if channel.status_event.wait(LAST_WORD) else 255


def _pass_on(channel: paramiko.Channel) -> None:
    keys = sys.stdin.fileno()
    sources: list[paramiko.Channel | int] = [channel, keys]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if channel in ready:
            data = channel.recv(BLOCK)
            if not data:
                return
            os.write(sys.stdout.fileno(), data)
        if keys in ready:
            typed = os.read(keys, BLOCK)
            if typed:
                channel.sendall(typed)
            else:
                channel.shutdown_write()
                sources.remove(keys)


@contextlib.contextmanager
def _raw() -> Iterator[None]:
    """The terminal without echo and line editing, which the node's own terminal does."""
    keys = sys.stdin.fileno()
    if not os.isatty(keys):
        yield
        return
    before = termios.tcgetattr(keys)
    try:
        tty.setraw(keys, termios.TCSADRAIN)  # what was typed ahead is not thrown away
        yield
    finally:
        termios.tcsetattr(keys, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _resized(channel: paramiko.Channel) -> Iterator[None]:
    """Tell the node when this terminal gets another size."""

    def tell(_number: int, _frame: FrameType | None) -> None:
        size = shutil.get_terminal_size()
        channel.resize_pty(size.columns, size.lines)

    before = signal.signal(signal.SIGWINCH, tell)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
