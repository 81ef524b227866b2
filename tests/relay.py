"""A slow road to a TCP port: a loopback listener that passes bytes on after a delay, on any kernel."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from pathlib import Path
from types import TracebackType
from typing import Any


class Relay:
    """Listens on `port` of 127.0.0.1 between 21000 and 21999; each direction is `delay` seconds late.

    `drop` makes it swallow the first so many connections: it closes them at once.
    """

    def __init__(self, host: str, port: int, *, delay: float = 0.0, drop: int = 0) -> None:
        self._target, self._delay, self._drop = (host, port), delay, drop
        self.port, self.accepted = 0, 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Relay:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(5)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def known_hosts(self, host: Any) -> Path:
        """A known_hosts file that has a test host's key under this road's name."""
        path: Path = host.hosts.home / f"known_hosts-{self.port}"
        path.write_text(f"[127.0.0.1]:{self.port} {host.known_hosts_line.split(' ', 1)[1]}\n")
        return path

    async def _listen(self) -> None:
        for port in range(21000, 22000):
            with contextlib.suppress(OSError):
                self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
                self.port = port
                return
        raise RuntimeError("no port is free between 21000 and 21999")

    async def _stop(self) -> None:
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.accepted <= self._drop:
            writer.close()
            return
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        try:
            await asyncio.gather(self._pass(reader, far_writer), self._pass(far_reader, writer))
        finally:
            writer.close()
            far_writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Bytes one way: each chunk leaves `delay` after it came, however many are under way."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        async def receive() -> None:
            chunk = b"-"
            while chunk:
                chunk = await reader.read(65536)
                under_way.put_nowait((loop.time() + self._delay, chunk))

        task = asyncio.create_task(receive())
        try:
            while True:
                due, chunk = await under_way.get()
                await asyncio.sleep(max(due - loop.time(), 0))
                if not chunk:
                    break
                writer.write(chunk)
                await writer.drain()
            with contextlib.suppress(OSError):
                writer.write_eof()
        except ConnectionError:
            return
        finally:
            task.cancel()
