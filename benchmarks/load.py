"""Two load generators: keep-alive clients that post prepared bodies and wait for each answer."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

import aiohttp

CLIENTS = 32


@dataclass(frozen=True, slots=True)
class Load:
    """What became of a round.

    Attributes:
        per_second: answers with status 200, by wall clock.
        latencies: seconds of each, in no order.
        refused: answers with another status.
    """

    per_second: float
    latencies: list[float]
    refused: int

    @property
    def p99_seconds(self) -> float:
        """The 99th percentile of the latencies."""
        return sorted(self.latencies)[int(len(self.latencies) * 0.99)]


async def drive(port: int, path: str, bodies: Iterator[bytes], seconds: float) -> Load:
    """Post bodies for a while, by the client that aiohttp brings."""
    latencies: list[float] = []
    refused: list[int] = []
    url, fields = f"http://127.0.0.1:{port}{path}", {"Content-Type": "application/json"}
    start = time.perf_counter()
    deadline = start + seconds
    connections = aiohttp.TCPConnector(limit=CLIENTS)
    async with aiohttp.ClientSession(connector=connections, headers=fields) as session:

        async def client() -> None:
            while (sent := time.perf_counter()) < deadline:
                async with session.post(url, data=next(bodies)) as answer:
                    await answer.read()
                if answer.status == 200:
                    latencies.append(time.perf_counter() - sent)
                else:
                    refused.append(answer.status)

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        return Load(len(latencies) / (time.perf_counter() - start), latencies, len(refused))


async def drive_barely(port: int, path: str, bodies: Iterator[bytes], seconds: float) -> Load:
    """The same from bare sockets, which cost next to nothing beside the server."""
    latencies: list[float] = []
    refused: list[int] = []
    start = time.perf_counter()
    deadline = start + seconds

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            while (sent := time.perf_counter()) < deadline:
                body = next(bodies)
                head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                fields = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write((head + fields).encode() + body)
                status = await _answer(reader)
                if status == 200:
                    latencies.append(time.perf_counter() - sent)
                else:
                    refused.append(status)
        finally:
            writer.close()
            await writer.wait_closed()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return Load(len(latencies) / (time.perf_counter() - start), latencies, len(refused))


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            await reader.readexactly(int(value))
    return int(head.split(b" ", 2)[1])
