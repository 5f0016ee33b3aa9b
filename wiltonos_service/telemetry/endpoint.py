"""``GET /metrics`` for aiohttp: rendered off the event loop, one rendering at a time."""

from aiohttp import hdrs, web

from wiltonos_service.telemetry.exposition import ScrapeReader, ScrapeUnavailable
from wiltonos_service.telemetry.formats import accepts_gzip
from wiltonos_service.telemetry.renderings import Renderings

# parameter of a scrape that wants some families only, as prometheus_client has it
NAMES = "name[]"


class ScrapeEndpoint:
    """An aiohttp handler over a scrape reader.

    Args:
        reader: renders; see ``Renderings`` for how requests share it.
    """

    def __init__(self, reader: ScrapeReader) -> None:
        self._renderings = Renderings(reader)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a scrape."""
        try:
            exposition = await self._renderings.render(
                ",".join(request.headers.getall(hdrs.ACCEPT, [])),
                frozenset(request.query.getall(NAMES, [])),
                gzip=accepts_gzip(",".join(request.headers.getall(hdrs.ACCEPT_ENCODING, []))),
            )
        except ScrapeUnavailable as error:
            return web.Response(status=503, text=f"{error}\n")
        return web.Response(body=exposition.body, headers=exposition.headers)
