"""``GET /metrics`` for aiohttp: rendered off the event loop, one rendering at a time."""

import asyncio

from aiohttp import hdrs, web

from wiltonos_service.telemetry.exposition import Exposition, ScrapeReader, ScrapeUnavailable
from wiltonos_service.telemetry.formats import accepts_gzip

# parameter of a scrape that wants some families only, as prometheus_client has it
NAMES = "name[]"

_Wanted = tuple[str, frozenset[str], bool]


class ScrapeEndpoint:
    """An aiohttp handler over a scrape reader.

    Two renderings never overlap (the stock reader would answer one of them with nothing);
    requests for the same that arrive meanwhile share one.
    """

    def __init__(self, reader: ScrapeReader) -> None:
        self._reader = reader
        self._rendering = asyncio.Lock()
        self._under_way: dict[_Wanted, asyncio.Task[Exposition]] = {}

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a scrape."""
        wanted = (
            ",".join(request.headers.getall(hdrs.ACCEPT, [])),
            frozenset(request.query.getall(NAMES, [])),
            accepts_gzip(",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, []))),
        )
        try:
            exposition = await asyncio.shield(self._render(wanted))
        except ScrapeUnavailable as error:
            return web.Response(status=503, text=f"{error}\n")
        return web.Response(body=exposition.body, headers=exposition.headers)

    def _render(self, wanted: _Wanted) -> asyncio.Task[Exposition]:
        task = self._under_way.get(wanted)
        if task is None:
            task = asyncio.create_task(self._render_alone(wanted))
            self._under_way[wanted] = task
            task.add_done_callback(lambda _task: self._under_way.pop(wanted, None))
        return task

    async def _render_alone(self, wanted: _Wanted) -> Exposition:
        async with self._rendering:
            return await asyncio.to_thread(self._render_now, *wanted)

    def _render_now(self, accept: str, names: frozenset[str], gzip: bool) -> Exposition:
        exposition = self._reader.render(accept, names)
        return exposition.gzipped() if gzip else exposition
