"""Places of open streams, over real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager

import pytest
from aiohttp import ClientSession, web

from notifier.web.events import MOST_READERS, Changes
from wiltonos_otel.web.events import EventStream
from wiltonos_service.listen import Listen
from wiltonos_service.web.serve import serve

MOST = 3


def exporter() -> tuple[web.Application, int]:
    """The stream of the live page."""
    app, stream = web.Application(), EventStream(max_readers=MOST)
    app.router.add_get("/api/v1/events", stream.handle)
    return app, MOST


def notifier() -> tuple[web.Application, int]:
    """The stream of the inbox."""
    app = web.Application()
    Changes().install(app)
    return app, MOST_READERS


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[Listen]:
    """The application as our services serve it: handlers are not cancelled with the connection."""
    stop = asyncio.Event()
    address: asyncio.Future[Listen] = asyncio.get_running_loop().create_future()
    ended = asyncio.create_task(
        serve(app, Listen("127.0.0.1", 0), stop=stop, started=address.set_result, grace_seconds=0.1)
    )
    yield await address
    stop.set()
    await ended


@pytest.mark.parametrize("make", [exporter, notifier])
async def test_who_has_left_makes_way_at_once(
    make: Callable[[], tuple[web.Application, int]],
) -> None:
    """A full house turns away only while its readers are there, though nothing is ever sent."""
    app, most = make()
    async with served(app) as server, ClientSession() as http:
        url = f"http://{server}/api/v1/events"
        with ExitStack() as gone:
            for _ in range(most):
                gone.enter_context(await _reader(server))
            async with http.get(url) as answer:
                assert answer.status == 503
                assert answer.headers["Retry-After"] == "5"
        # as many again, and one more: none of the first is left, all of the second are
        with ExitStack() as stay:
            for _ in range(most):
                stay.enter_context(await _reader(server))
            async with http.get(url) as answer:
                assert answer.status == 503


async def _reader(server: Listen) -> socket.socket:
    """Somebody who has read the beginning of a stream."""
    loop = asyncio.get_running_loop()
    reader = socket.socket()
    reader.setblocking(False)
    await loop.sock_connect(reader, (server.host, server.port))
    await loop.sock_sendall(reader, b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    read = b""
    while b"retry:" not in read:
        read += (more := await loop.sock_recv(reader, 4096))
        assert more, f"ended after {read!r}"
    assert read.startswith(b"HTTP/1.1 200")
    return reader
