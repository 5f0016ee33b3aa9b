"""An aiohttp service: every request moves Φ; SIGTERM delivers what is left."""

import os
from collections.abc import Awaitable, Callable

from aiohttp import web
from share import Share

import wiltonos_otel

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
share = Share()


@web.middleware
async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Note how each request ended."""
    well = False
    try:
        response = await handler(request)
        well = response.status < 500
    finally:
        share.ended(well)
    return response


async def order(_request: web.Request) -> web.Response:
    """What the service is there for."""
    return web.json_response({"status": "taken"})


def main() -> None:
    """Serve until asked to end."""
    wiltonos_otel.configure(service_name="example-aiohttp")
    app = web.Application(middlewares=[measure])
    app.router.add_get("/order", order)
    web.run_app(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))


if __name__ == "__main__":
    main()
