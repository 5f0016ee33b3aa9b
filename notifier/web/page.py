"""The inbox page: static files that read the JSON API; no inline code, no other origin."""

from pathlib import Path

from aiohttp import web

STATIC = Path(__file__).parent / "static"


class Page:
    """``/`` and what it loads."""

    def install(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/", _index)
        app.router.add_static("/static", STATIC)
        app.on_response_prepare.append(_revalidate)


async def _index(_request: web.Request) -> web.FileResponse:
    return web.FileResponse(STATIC / "index.html")


async def _revalidate(_request: web.Request, response: web.StreamResponse) -> None:
    """An upgrade of the program shows at the next visit."""
    if isinstance(response, web.FileResponse):
        response.headers.setdefault("Cache-Control", "no-cache")
