"""The stream of events, without a browser in between."""

import asyncio
import socket

from aiohttp import ClientResponse, ClientSession, web
from aiohttp.test_utils import TestServer

from wiltonos_otel.web.events import EventStream


def test_reader_that_falls_behind_gets_the_newest() -> None:
    """Memory is bounded by dropping what is old."""
    stream = EventStream()
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(2)
    stream._readers.add(queue)
    for number in range(100):
        stream.publish(str(number))
    assert [queue.get_nowait(), queue.get_nowait()] == [b"data: 98\n\n", b"data: 99\n\n"]


async def test_reader_that_never_reads_holds_up_nobody_and_loses_its_place() -> None:
    """The others get the newest event; what it does not take is not kept for it."""
    stream = EventStream(stalled_seconds=0.5)
    app = web.Application()
    app.router.add_get("/events", stream.handle)
    async with TestServer(app) as server, ClientSession() as http:
        address = (server.host, server.port)
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(address)
            deaf.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
            others = [await http.get(server.make_url("/events")) for _ in range(20)]
            async with asyncio.timeout(10):
                while stream.readers < 21:  # noqa: ASYNC110 - a stream tells nobody of its readers
                    await asyncio.sleep(0.01)
                reading = [asyncio.ensure_future(_until(each, b"newest")) for each in others]
                # more than both ends of a connection hold for it
                while stream.readers == 21:
                    stream.publish("x" * 500_000)
                    await asyncio.sleep(0.01)
                stream.publish("newest")
                await asyncio.gather(*reading)
            assert stream.readers == 20
            stream.close()
            for each in others:
                each.close()


async def _until(stream: ClientResponse, mark: bytes) -> None:
    """Read until the mark came."""
    before = b""
    while mark not in (read := before + await stream.content.readany()):
        assert not stream.content.at_eof()
        before = read[-len(mark) :]
