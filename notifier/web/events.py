"""Tells open pages that something changed (server-sent events, HTML standard section 9.2)."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from wiltonos_service.web.places import Places

MOST_READERS = 64
# below the idle timeouts of common proxies
KEEPALIVE_SECONDS = 15.0
# a storm changes hundreds of things a second; a page is told once in this time
QUIET_SECONDS = 0.3


class Changes:
    """One counter that grows; readers are told its newest value."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = asyncio.Condition()
        self._places = Places(MOST_READERS)
        self._closed = False
        self._due: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def install(self, app: web.Application) -> None:
        """Add the route, and end the streams with the application."""
        app.router.add_get("/api/v1/events", self.handle)
        app.on_shutdown.append(self._close)

    def note(self) -> None:
        """Something changed."""
        if self._due is None and not self._closed:
            self._due = asyncio.get_running_loop().call_later(QUIET_SECONDS, self._start)

    def _start(self) -> None:
        self._due = None
        task = asyncio.create_task(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self) -> None:
        async with self._changed:
            self._count += 1
            self._changed.notify_all()

    async def _close(self, _app: web.Application) -> None:
        self._closed = True
        if self._due is not None:
            self._due.cancel()
        await self._tell()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """``GET /api/v1/events``."""
        with self._places.taken(request) as held:
            if not held:
                return web.json_response(
                    {"error": "too many pages are open"}, status=503, headers={"Retry-After": "5"}
                )
            return await self._stream(request)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        try:
            async for line in self._lines():
                await response.write(line)
        except ConnectionError:
            # the reader went away, which is how every stream ends
            return response
        return response

    async def _wait(self, seen: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._count != seen or self._closed)

    async def _lines(self) -> AsyncIterator[bytes]:
        seen = self._count
        yield b"retry: 2000\n\n"
        while not self._closed:
            try:
                async with asyncio.timeout(KEEPALIVE_SECONDS):
                    await self._wait(seen)
            except TimeoutError:
                yield b": still here\n\n"
                continue
            seen = self._count
            yield f"event: changed\ndata: {seen}\n\n".encode()
