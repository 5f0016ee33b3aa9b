"""The exporter as a process: state files in; OTLP, ``/metrics`` and the live page out."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import structlog
from aiohttp import web
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from wiltonos_otel.clock import SystemClock
from wiltonos_otel.followed import Followed
from wiltonos_otel.instruments.coherence import METER, CoherenceInstruments
from wiltonos_otel.instruments.produced import LoopProducer
from wiltonos_otel.phi import Snapshot
from wiltonos_otel.policy import Policy
from wiltonos_otel.scrape import FastMetricReader
from wiltonos_otel.settings import Settings
from wiltonos_otel.web.app import LivePage, View, add_health, add_metrics
from wiltonos_otel.web.view import SourceHealth, view_now
from wiltonos_service.listen import Listen
from wiltonos_service.secrets import Secret, optional_secret
from wiltonos_service.settings import Loaded
from wiltonos_service.telemetry.endpoint import ScrapeEndpoint
from wiltonos_service.telemetry.provider import Identity, Push, Telemetry
from wiltonos_service.telemetry.scrape import StockReader
from wiltonos_service.web.guard import Guard
from wiltonos_service.web.serve import serve

SERVICE = "wiltonos-exporter"
DISTRIBUTION = "wiltonos-otel"
# names the state directory in wiltonos.source.*
SOURCE = "state"
# streams end at once when asked to; what is left are requests under way
GRACE_SECONDS = 0.3

log = structlog.get_logger(__name__)


class Exporter:
    """Everything that the exporter is made of.

    Args:
        loaded: the settings in force.

    Raises:
        SettingsError: it would listen beyond loopback without a token.
    """

    def __init__(self, loaded: Loaded[Settings]) -> None:
        settings = loaded.settings
        self.listen = Listen.parse(settings.exporter.listen)
        self.guard = _make_guard(loaded)
        self.telemetry = _make_telemetry(loaded)
        self.sources = _make_sources(loaded, self.telemetry)
        self.main, *self.others = self.sources
        self._told_simulated = settings.exporter.simulated
        self.page = LivePage(
            self.main.signal.snapshot,
            self._view,
            settings.policy,
            settings.source.stale_after_seconds,
        )

    def application(self) -> web.Application:
        """The web application, which owns the source and the telemetry and ends both."""
        app = web.Application()
        self.guard.install(app)
        # cleaned up in reverse: page, then source, then the push of the last sample
        app.cleanup_ctx.append(self._exporting)
        app.cleanup_ctx.append(self._reading)
        self.page.install(app)
        add_health(app, self._degraded)
        if self.telemetry.scrape is not None:
            add_metrics(app, ScrapeEndpoint(self.telemetry.scrape).handle)
        return app

    async def run(
        self,
        started: Callable[[Listen], None] | None = None,
        stop: asyncio.Event | None = None,
    ) -> None:
        """Serve until the process is asked to end, or ``stop`` is set.

        Args:
            started: called with the real address once connections are accepted.
            stop: ends the service when it is set.

        Raises:
            OperatorError: the address cannot be listened on.
        """
        await serve(
            self.application(),
            self.listen,
            stop=stop,
            started=started,
            grace_seconds=GRACE_SECONDS,
        )

    def _view(self, snapshot: Snapshot) -> View:
        push = self.telemetry.push
        self.main.look_whether_simulated()
        others = [(other.signal.snapshot(), other.health()) for other in self.others]
        return view_now(snapshot, self._health(), asdict(push.health()) if push else None, others)

    def _health(self) -> SourceHealth:
        return self.main.health(simulated=self._told_simulated)

    def _degraded(self) -> list[str]:
        push = self.telemetry.push.health() if self.telemetry.push else None
        failing = [f"push to {push.target} fails: {push.failing}"] if push and push.failing else []
        others = [
            f"{other.name}: {problem}"
            for other in self.others
            for problem in other.health().problems
        ]
        return [*failing, *self._health().problems, *others]

    async def _reading(self, _app: web.Application) -> AsyncIterator[None]:
        await asyncio.gather(*(followed.source.read_now() for followed in self.sources))
        tasks = [asyncio.create_task(followed.follow()) for followed in self.sources]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _exporting(self, _app: web.Application) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(self.telemetry.shutdown)


def run_exporter(loaded: Loaded[Settings]) -> None:
    """Run the exporter in an event loop of its own, until SIGTERM or Ctrl-C.

    Raises:
        OperatorError: the address cannot be listened on, or a setting is wrong.
    """
    exporter = Exporter(loaded)

    def say(address: Listen) -> None:
        # modules and the loops that were read live on: no collection has to look at them again,
        # and a full one stops every thread for as long as it has objects to look at
        gc.collect()
        gc.freeze()
        log.info("exporter is up", url=f"http://{address}/", state=str(exporter.main.location))

    asyncio.run(exporter.run(say))


def _make_sources(loaded: Loaded[Settings], telemetry: Telemetry) -> list[Followed]:
    """The state directory, and the further ones, which are told apart by their name."""
    settings, clock = loaded.settings, SystemClock()
    table, policy = settings.source, settings.policy
    instruments = _make_instruments(telemetry, policy)

    def follow(name: str, path: Path, stale_after: float | None, *, labelled: bool) -> Followed:
        return Followed(
            name,
            loaded.path(path),
            stale_after_seconds=stale_after or table.stale_after_seconds,
            policy=policy,
            instruments=instruments,
            clock=clock,
            labelled=labelled,
        )

    main = follow(SOURCE, table.state_dir, None, labelled=False)
    others = [
        follow(more.name, more.state_dir, more.stale_after_seconds, labelled=True)
        for more in table.directories
    ]
    return [main, *others]


def _make_instruments(telemetry: Telemetry, policy: Policy) -> CoherenceInstruments:
    """The instruments of Φ; loops are produced, unless the stock reader is to show them.

    That reader knows no producers.
    """
    known = version(DISTRIBUTION)
    meter, reader = telemetry.provider.get_meter(METER, known), telemetry.scrape
    if not isinstance(reader, FastMetricReader):
        return CoherenceInstruments(meter, policy)
    instruments = CoherenceInstruments(meter, policy, observe_loops=False)
    producer = LoopProducer(instruments, InstrumentationScope(METER, known))
    telemetry.register_producer(producer)
    reader.register_producer(producer)
    return instruments


def _make_telemetry(loaded: Loaded[Settings]) -> Telemetry:
    table = loaded.settings.telemetry
    fast = loaded.settings.exporter.scrape_reader == "fast"
    return Telemetry(
        Identity.of(SERVICE, version(DISTRIBUTION), loaded.port_offset),
        push=Push(table.otlp_endpoint, table.export_interval_seconds, pause_garbage=True),
        scrape=FastMetricReader() if fast else StockReader(),
    )


def _make_guard(loaded: Loaded[Settings]) -> Guard:
    table = loaded.settings.exporter
    file = loaded.path(table.bearer_token_file) if table.bearer_token_file else None
    token = _read_token(table.bearer_token, file)
    listen = Listen.parse(table.listen)
    return Guard("exporter", listen, token, table.public_url, table.allowed_hosts)


def _read_token(value: str | None, file: Path | None) -> Secret | None:
    token = optional_secret("[exporter] bearer_token", value, file)
    if token is not None:
        # a missing file is said now, not at the first request
        token.read()
    return token
