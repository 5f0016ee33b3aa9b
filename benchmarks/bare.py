"""A bare aiohttp handler: takes a body, says 200, remembers nothing. Prints its port."""

import asyncio

from aiohttp import web


async def _take(request: web.Request) -> web.Response:
    await request.read()
    return web.json_response({"status": "ok"})


async def main() -> None:
    """Serve until the process is ended."""
    app = web.Application()
    app.router.add_post("/api/v1/alertmanager", _take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
