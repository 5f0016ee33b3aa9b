"""``GET /metrics`` for aiohttp: rendered off the event loop, one rendering at a time."""

import asyncio

from aiohttp import web

from wiltonos_service.telemetry.scrape import Exposition, ScrapeReader


class ScrapeEndpoint:
    """An aiohttp handler over a scrape reader.

    Two renderings never overlap (the stock reader would answer one of them with nothing);
    requests for the same format that arrive meanwhile share one.
    """

    def __init__(self, reader: ScrapeReader) -> None:
        self._reader = reader
        self._rendering = asyncio.Lock()
        self._under_way: dict[str, asyncio.Task[Exposition]] = {}

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a scrape."""
        exposition = await asyncio.shield(self._render(request.headers.get("Accept", "")))
        return web.Response(body=exposition.body, headers={"Content-Type": exposition.content_type})

    def _render(self, accept: str) -> asyncio.Task[Exposition]:
        task = self._under_way.get(accept)
        if task is None:
            task = asyncio.create_task(self._render_alone(accept))
            self._under_way[accept] = task
            task.add_done_callback(lambda _task: self._under_way.pop(accept, None))
        return task

    async def _render_alone(self, accept: str) -> Exposition:
        async with self._rendering:
            return await asyncio.to_thread(self._reader.render, accept)
