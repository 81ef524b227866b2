"""A server with a pace: answers inference after so many seconds, so many at once, and says what it did.

    python -m benchmarks.paced PORT SECONDS AT_ONCE

It stands in for a Triton with that many instances of one model, and counts as Triton's statistics do: what
a request needed, without the time that it waited for an instance.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time


class Paced:
    """One server's model and its statistics."""

    def __init__(self, seconds: float, at_once: int) -> None:
        self._seconds, self._at_once = seconds, asyncio.Semaphore(at_once)
        self._count, self._spent = 0, 0.0

    async def client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection's requests until it ends."""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                length = head.partition("content-length:")[2].split("\r\n")[0].strip()
                await reader.readexactly(int(length or 0))
                body = await self._answer(head.split(" ", 2)[1])
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def _answer(self, path: str) -> bytes:
        if path.endswith("/infer"):
            async with self._at_once:
                began = time.perf_counter()
                await asyncio.sleep(self._seconds)
                self._spent += time.perf_counter() - began
                self._count += 1
        compute = {"count": self._count, "ns": int(self._spent * 1e9)}
        return json.dumps(
            {"model_stats": [{"name": "paced", "inference_stats": {"compute_infer": compute}}]}
        ).encode()


async def _serve(port: int, seconds: float, at_once: int) -> None:
    paced = Paced(seconds, at_once)
    server = await asyncio.start_server(paced.client, "127.0.0.1", port, backlog=256)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
