"""Server-sent events to many readers, of whom none can hold up the others or fill the memory."""

import asyncio

from aiohttp import web

from wiltonos_service.web.places import Places

MAX_READERS = 256
# a reader that falls behind misses old events, never the newest
QUEUED_PER_READER = 2
# a reader that takes nothing for so long gives its place to another
STALLED_SECONDS = 30.0
RETRY_MS = 2000

_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    # a proxy that buffers would turn one event a second into none
    "X-Accel-Buffering": "no",
}


class EventStream:
    """An aiohttp handler that sends every published event to each reader.

    Args:
        max_readers: further ones are told to come back later.
        stalled_seconds: who takes nothing for so long is sent away.
    """

    def __init__(
        self, max_readers: int = MAX_READERS, stalled_seconds: float = STALLED_SECONDS
    ) -> None:
        self._places = Places(max_readers)
        self._stalled_seconds = stalled_seconds
        self._readers: set[asyncio.Queue[bytes | None]] = set()
        self._closed = False

    @property
    def readers(self) -> int:
        """How many are connected."""
        return len(self._places)

    def publish(self, data: str) -> None:
        """Send one line of text to every reader; never waits."""
        event = f"data: {data}\n\n".encode()
        for queue in self._readers:
            _put(queue, event)

    def close(self) -> None:
        """End every stream; the readers come back by themselves."""
        self._closed = True
        for queue in self._readers:
            _put(queue, None)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Stream until the reader leaves or the service ends."""
        with self._places.taken(request) as held:
            if self._closed or not held:
                return web.json_response(
                    {"error": "too many readers"}, status=503, headers={"Retry-After": "5"}
                )
            return await self._stream(request)

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUED_PER_READER)
        response = web.StreamResponse(headers=_HEADERS)
        self._readers.add(queue)
        try:
            await response.prepare(request)
            await response.write(f"retry: {RETRY_MS}\n\n".encode())
            while (event := await queue.get()) is not None:
                async with asyncio.timeout(self._stalled_seconds):
                    await response.write(event)
        except ConnectionError:
            # the reader left, which is how every stream of a browser ends
            return response
        except TimeoutError:
            if request.transport is not None:
                # closing would wait for what it does not take
                request.transport.abort()
        finally:
            self._readers.discard(queue)
        return response


def _put(queue: asyncio.Queue[bytes | None], event: bytes | None) -> None:
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(event)
