"""The Longevity API as a process: composition of ledger, metrics, guard and routes."""

import asyncio
from collections.abc import AsyncIterator, Callable

import structlog
from aiohttp import web

from wiltonos_otel.clock import SystemClock
from wiltonos_otel.longevity.access import make_guard
from wiltonos_otel.longevity.answers import PROGRAM, SERVICE
from wiltonos_otel.longevity.api import LongevityApi
from wiltonos_otel.longevity.diary import Diary
from wiltonos_otel.longevity.ledger import Ledger
from wiltonos_otel.longevity.local import open_ledger
from wiltonos_otel.longevity.metrics import DoseMetrics
from wiltonos_otel.longevity.streams import Streams
from wiltonos_otel.settings import Settings
from wiltonos_service.listen import Listen
from wiltonos_service.settings import Loaded
from wiltonos_service.telemetry.endpoint import ScrapeEndpoint
from wiltonos_service.telemetry.provider import Identity, Push, Telemetry
from wiltonos_service.telemetry.scrape import StockReader
from wiltonos_service.web.serve import run_app

# doses are rare: an export each second would say nothing new
PUSH_SECONDS = 5.0
METER = "wiltonos_otel.longevity"

log = structlog.get_logger(__name__)


def make_application(loaded: Loaded[Settings], ledger: Ledger) -> web.Application:
    """The application, which owns the ledger and the telemetry and ends both at cleanup."""
    guard = make_guard(loaded)
    observations = ledger.observations()
    streams = Streams(ledger.streams(), observations)
    telemetry = Telemetry(
        Identity.of(SERVICE, PROGRAM, loaded.port_offset),
        push=Push(
            loaded.settings.telemetry.otlp_endpoint,
            _push_seconds(loaded.settings),
            prepare=streams.prepare,
        ),
        scrape=StockReader(),
    )
    assert telemetry.scrape is not None
    metrics = DoseMetrics(telemetry.provider.get_meter(METER, PROGRAM), streams, observations)
    diary = Diary(ledger, streams, metrics)
    scrape = ScrapeEndpoint(telemetry.scrape)
    app = LongevityApi(diary, SystemClock(), PROGRAM, scrape.handle).application()
    guard.install(app)
    app.cleanup_ctx.append(_until_the_end(diary, telemetry))
    return app


def serve(loaded: Loaded[Settings]) -> None:
    """Serve until the process is asked to end.

    Raises:
        OperatorError: the diary is in use, or the address cannot be listened on.
    """
    # before the diary is opened, so that wrong settings leave no file behind
    make_guard(loaded)
    ledger = open_ledger(loaded)
    try:
        app = make_application(loaded, ledger)
    except Exception:
        ledger.close()
        raise
    run_app(app, Listen.parse(loaded.settings.longevity.listen), started=_say_started)


def _say_started(address: Listen) -> None:
    log.info("longevity API is up", url=f"http://{address}/longevity/info")


def _push_seconds(settings: Settings) -> float:
    stated = "export_interval_seconds" in settings.telemetry.model_fields_set
    return settings.telemetry.export_interval_seconds if stated else PUSH_SECONDS


def _until_the_end(
    diary: Diary, telemetry: Telemetry
) -> Callable[[web.Application], AsyncIterator[None]]:
    async def lifetime(_app: web.Application) -> AsyncIterator[None]:
        yield
        diary.close()
        await asyncio.to_thread(telemetry.shutdown)

    return lifetime
