"""How long an event loop stands still while its process is scraped twice a second."""

import asyncio
import sys
import time
from statistics import median

from aiohttp import web

from wiltonos_service.telemetry.endpoint import ScrapeEndpoint
from wiltonos_service.telemetry.exposition import ScrapeReader

ROUNDS = 3
SCRAPES = 8
TICK_SECONDS = 0.002
SCRAPER = """
import sys, time, urllib.request
for _ in range(int(sys.argv[2])):
    start = time.monotonic()
    urllib.request.urlopen(sys.argv[1]).read()
    time.sleep(max(0, 0.5 - (time.monotonic() - start)))
"""


def stall_ms(reader: ScrapeReader) -> float:
    """The worst stall of a round, in milliseconds; the median of the rounds.

    A tick that comes late while the process did not run is the machine's doing, not ours: of a
    delay counts what the process itself spent computing in it.
    """
    return median(asyncio.run(_worst(reader)) for _ in range(ROUNDS)) * 1000


async def _worst(reader: ScrapeReader) -> float:
    app = web.Application()
    app.router.add_get("/metrics", ScrapeEndpoint(reader).handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    scraper = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SCRAPER, f"http://{host}:{port}/metrics", str(SCRAPES)
    )
    over = asyncio.create_task(scraper.wait())
    worst = 0.0
    try:
        while not over.done():
            worst = max(worst, await _tick())
    finally:
        await over
        await runner.cleanup()
    return worst


async def _tick() -> float:
    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.sleep(TICK_SECONDS)
    late = time.perf_counter() - wall - TICK_SECONDS
    return min(late, time.process_time() - cpu)
