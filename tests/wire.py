"""A long, lossy wire to a test host, on any kernel: what `tc netem` does where its module is there.

The host's link leaves its bridge and is joined to it by two TAP devices, between which a thread carries each
frame after a delay, or loses it. Its connections stay; only frames that were under way are late.

    with Wire(host, delay=0.025, loss=0.02):  # seconds and share, each way
        ask(host)
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import select
import struct
import subprocess
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType

from host import Host

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
FRAME = 65536  # bytes, more than any


@dataclass
class Way:
    """One direction: where frames come from and go to, and those that are under way with their time."""

    source: int
    target: int
    under_way: deque[tuple[float, bytes]] = field(default_factory=deque)


class Wire:
    """While its context lasts a host's first link is `delay` seconds long and loses a share, each way."""

    def __init__(self, host: Host, *, delay: float, loss: float) -> None:
        self._link, self._home = host.link, host.hosts.bridge(host.networks[0])
        self._delay, self._loss = delay, loss
        self._aside = f"{self._link}w"
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self.carried, self.lost = 0, 0

    def __enter__(self) -> Wire:
        _ip("link", "add", self._aside, "type", "bridge")
        _ip("link", "set", self._aside, "up")
        near, far = (_tap(f"{self._link}{end}") for end in "ab")
        _ip("link", "set", f"{self._link}a", "up", "master", self._aside)
        _ip("link", "set", f"{self._link}b", "up", "master", self._home)
        self._ways = (Way(near, far), Way(far, near))
        self._thread.start()
        _ip("link", "set", self._link, "master", self._aside)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _ip("link", "set", self._link, "master", self._home)
        self._over.set()
        self._thread.join(5)
        for way in self._ways:
            os.close(way.source)  # a TAP device goes with its descriptor
        _ip("link", "del", self._aside)

    def _carry(self) -> None:
        while not self._over.is_set():
            now = time.monotonic()
            due = min((way.under_way[0][0] for way in self._ways if way.under_way), default=now + 0.1)
            ready, _, _ = select.select([way.source for way in self._ways], [], [], max(due - now, 0.0))
            for way in self._ways:
                if way.source in ready:
                    self._take(way)
                self._pass(way)

    def _take(self, way: Way) -> None:
        with contextlib.suppress(BlockingIOError):
            while frame := os.read(way.source, FRAME):
                self.carried += 1
                if random.random() < self._loss:
                    self.lost += 1
                else:
                    way.under_way.append((time.monotonic() + self._delay, frame))

    def _pass(self, way: Way) -> None:
        now = time.monotonic()
        while way.under_way and way.under_way[0][0] <= now:
            with contextlib.suppress(OSError):  # a full queue loses a frame, as any does
                os.write(way.target, way.under_way.popleft()[1])


def _tap(name: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TAP | IFF_NO_PI))
    return device


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=30)
