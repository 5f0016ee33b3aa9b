"""The notifier as a process: webhooks in, chats out; the composition root."""

import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version

import structlog
from aiohttp import web

from notifier.building import make_charts, make_guard, make_planner, make_silences
from notifier.clock import Clock, SystemClock
from notifier.deliver.http import open_session
from notifier.dispatch.channels import Channels, Surroundings
from notifier.dispatch.charting import ChartService
from notifier.dispatch.outlet import Outlet
from notifier.errors import StoreError
from notifier.housekeeping import Housekeeping
from notifier.incident.planner import Plan
from notifier.ingest.committing import Committing
from notifier.ingest.probes import Probes
from notifier.instruments import METER, Instruments
from notifier.reloading import Reloading
from notifier.settings import Settings, load
from notifier.silences.service import SilenceService
from notifier.store import Ingest, SqlStore, open_store, queries
from notifier.store.place import Place
from notifier.traces import Traces
from notifier.watch.alive import Alive
from notifier.watch.announcing import Announcer
from notifier.watch.deadman import DeadMansSwitch
from notifier.watch.own import OwnAlert, own_identity
from notifier.web.api import Api
from notifier.web.events import Changes
from notifier.web.health import Health
from notifier.web.inbox import Inbox
from notifier.web.page import Page
from notifier.web.receiver import INTAKES, Receiver
from notifier.web.runbooks import Runbooks
from wiltonos_service.listen import Listen
from wiltonos_service.logs import ChangeLog
from wiltonos_service.settings import Loaded
from wiltonos_service.telemetry.endpoint import ScrapeEndpoint
from wiltonos_service.telemetry.provider import Identity, Push, Telemetry
from wiltonos_service.telemetry.scrape import StockReader
from wiltonos_service.telemetry.spans import TracePush, Tracing, make_tracing
from wiltonos_service.web.guard import Guard
from wiltonos_service.web.serve import serve

SERVICE = "wiltonos-notifier"
DISTRIBUTION = "wiltonos-otel"
PUSH_SECONDS = 5.0
# together below the 10 s in which the service has to be gone
REQUEST_GRACE_SECONDS = 2.0
WORKER_GRACE_SECONDS = 5.0
# the writer's thread hands the interpreter back in this time, not in the usual 5 ms: a webhook
# passes from one thread to the other and back
SWITCH_SECONDS = 0.0005
UNAUTHORIZED = 401

log = structlog.get_logger(__name__)


class NotifierService:
    """Everything that the notifier is made of.

    Args:
        loaded: the settings in force.
        clock: the time.
        reread: reads the configuration anew, for a reload; None reads the same file.

    Raises:
        SettingsError: a secret is missing, or it would listen beyond loopback without a token.
    """

    def __init__(
        self,
        loaded: Loaded[Settings],
        clock: Clock | None = None,
        reread: Callable[[], Loaded[Settings]] | None = None,
    ) -> None:
        self.table = loaded.settings.notifier
        self.loaded = loaded
        self.clock = clock or SystemClock()
        self.listen = Listen.parse(self.table.listen)
        self.guard = self._make_guard(loaded)
        identity = Identity.of(SERVICE, version(DISTRIBUTION), loaded.port_offset)
        self.tracing = _tracing(loaded, identity)
        self.traces = Traces(self.tracing.provider if self.tracing else None)
        self.telemetry = Telemetry(
            identity,
            push=Push(loaded.settings.telemetry.otlp_endpoint, PUSH_SECONDS),
            scrape=StockReader(),
        )
        meter = self.telemetry.provider.get_meter(METER, version(DISTRIBUTION))
        names = [channel.name for channel in self.table.channels]
        self.instruments = Instruments(meter, names)
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self.channels: Channels | None = None
        self._charting: ChartService | None = None
        again = reread or partial(load, config=loaded.file, offset=loaded.port_offset)
        self.reloading = Reloading(loaded, again, self._adopt)
        self.alive: Alive | None = None
        self._changes = ChangeLog()

    async def run(
        self,
        started: Callable[[Listen], None] | None = None,
        stop: asyncio.Event | None = None,
    ) -> None:
        """Serve until the process is asked to end, or ``stop`` is set.

        Raises:
            OperatorError: the address or the database is in use, or cannot be opened.
        """
        sys.setswitchinterval(SWITCH_SECONDS)
        planner = make_planner(self.loaded)
        url = self.loaded.database_url(self.table.database)
        self.store = await open_store(url, planner, waiting_line=self.table.waiting_line)
        self.place = Place(url)
        loop = asyncio.get_running_loop()
        try:
            await self._recover(self.store)
            app = self.application(self.store)
            loop.add_signal_handler(signal.SIGHUP, self.reloading.signalled)
            await serve(
                app, self.listen, stop=stop, started=started, grace_seconds=REQUEST_GRACE_SECONDS
            )
        finally:
            loop.remove_signal_handler(signal.SIGHUP)
            await self.store.close()
            ends = [self.telemetry.shutdown, *([self.tracing.shutdown] if self.tracing else [])]
            await asyncio.gather(*(asyncio.to_thread(end) for end in ends))

    def _make_guard(self, loaded: Loaded[Settings]) -> Guard:
        # a reload leaves the listener as it is, and the guard has to know the one that listens
        return replace(make_guard(loaded), listen=self.listen, refused=self._turned_away)

    async def _recover(self, store: SqlStore) -> None:
        """Take over what a process that died has left."""
        if not store.shared:
            # the lock proves that nobody else lives; what was in flight stays in doubt
            await store.release()
        await self._retire(store)

    async def _retire(self, store: SqlStore) -> None:
        names = [channel.name for channel in self.table.channels]
        retired = await store.retire_channels(names, self.clock.now())
        if retired:
            log.warning("deliveries of channels that are configured no more", count=retired)

    async def _bury(self, store: SqlStore) -> None:
        """End what was said of dead channels that are configured no more: no worker ever will."""
        names = {channel.name for channel in self.table.channels}
        for name, state in (await store.channel_states()).items():
            if state.stopped and name not in names:
                digest = own_identity(OwnAlert.CHANNEL_DEAD, name).digest
                if await store.read(partial(queries.fires, digest=digest)):
                    await self.announcer.channel(name, "")

    async def _adopt(self, loaded: Loaded[Settings]) -> None:
        """Let another configuration be in force.

        Raises:
            SettingsError: it cannot be; the one before still is.
        """
        if self.channels is None:
            raise StoreError("the service is starting or ending; reload it when it is up")
        # what can fail comes first
        guard, silences = self._make_guard(loaded), make_silences(loaded)
        self.channels.adopt(loaded)
        if self._charting is not None:
            self._charting.draw = make_charts(loaded, self.channels.session).draw
        table = self.table = loaded.settings.notifier
        self.loaded, self.guard = loaded, guard
        self.store.replan(make_planner(loaded))
        self.store.bound(table.waiting_line)
        self.receiver.max_body_bytes = table.max_body_bytes
        self.instruments.announce(silences.channels)
        self.deadman.timeout_seconds = table.heartbeat_timeout_seconds
        self.inbox.context, self.inbox.channels = silences.context, silences.channels
        await self.silences.adopt(silences)
        try:
            await self._retire(self.store)
            await self._bury(self.store)
        except StoreError as error:
            log.warning("deliveries of removed channels stay open", error=str(error))
        self._wake()

    def application(self, store: SqlStore) -> web.Application:
        """The web application, which owns the workers and ends them."""
        app = web.Application()
        self.guard.install(app, lambda: self.guard)
        self.changes = Changes()
        self.announcer = Announcer(store, self.clock, lambda: self.table, self._take)
        self.deadman = DeadMansSwitch(
            store, self.clock, self.table.heartbeat_timeout_seconds, self.announcer.alerting
        )
        self.committing = Committing(store, self.clock)
        probes = Probes(store, self.clock)
        self.receiver = Receiver(
            store=store,
            clock=self.clock,
            instruments=self.instruments,
            max_body_bytes=self.table.max_body_bytes,
            accepted=self._accepted,
            refused=self._announce_refusal,
            beat=self.deadman.beat,
            probed=probes.take,
            committing=self.committing,
            traces=self.traces,
        )
        self.receiver.install(app)
        probes.install(app)
        Api(store, self.clock, self._wake).install(app)
        Health(self.committing.check, self.degraded).install(app)
        self.silences = SilenceService(
            store=store,
            clock=self.clock,
            wanted=make_silences(self.loaded),
            accept=self._take,
            changed=self._wake,
        )
        self.silences.install(app)
        look = self.silences.wanted
        self.inbox = Inbox(
            store=store,
            clock=self.clock,
            context=look.context,
            channels=look.channels,
            outlets=self._outlets,
            offers=self.silences.page_offers,
            doubtful=lambda: self.deadman.down,
            heard=lambda: self.deadman.heard,
        )
        self.inbox.install(app)
        self.reloading.install(app)
        Page().install(app)
        Runbooks().install(app)
        self.changes.install(app)
        assert self.telemetry.scrape is not None
        app.router.add_get("/metrics", ScrapeEndpoint(self.telemetry.scrape).handle)
        app.cleanup_ctx.append(self._working)
        return app

    def degraded(self) -> list[str]:
        """What does not work, one line each."""
        problems = self.channels.degraded if self.channels else []
        if lost := self.place.problem():
            problems.append(lost)
        if self.reloading.problem:
            problems.append(f"new configuration refused: {self.reloading.problem}")
        if self.deadman.down:
            problems.append("alerting is down: the Watchdog is silent")
        if self.alive is not None and self.alive.problem:
            problems.append(self.alive.problem)
        for pushing in (self.telemetry.push, self.tracing):
            push = pushing.health() if pushing else None
            if push and push.failing:
                problems.append(f"push to {push.target} fails: {push.failing}")
        return problems

    async def _working(self, _app: web.Application) -> AsyncIterator[None]:
        stopping = asyncio.Event()
        house = Housekeeping(self.store, self.clock, lambda: self.table, self._look_around)
        self.instruments.watch(lambda: house.backlog, self.clock.now)
        await self.deadman.start()
        await self.announcer.start()
        await self._bury(self.store)
        async with open_session() as session:
            around = Surroundings(
                store=self.store,
                clock=self.clock,
                instruments=self.instruments,
                owner=self.owner,
                doubtful=lambda: self.deadman.down,
                actions=self.silences.offers,
                announce=self.announcer.channel,
                settled=self._settled,
                traces=self.traces,
            )
            channels = self.channels = Channels(around, session)
            channels.adopt(self.loaded)
            self.alive = Alive(
                lambda: self.table.alive_secret(self.loaded),
                session,
                self.clock,
                self._unwell,
                self.instruments.pinged,
            )
            charting = self._charting = ChartService(
                store=self.store,
                clock=self.clock,
                owner=self.owner,
                instruments=self.instruments,
                channels=self._charted,
                draw=lambda plan: make_charts(self.loaded, session).draw(plan),
                moved=self._wake,
            )
            tasks = [
                asyncio.create_task(self.alive.run(stopping)),
                asyncio.create_task(self.deadman.run(stopping)),
                asyncio.create_task(self.committing.run(stopping)),
                asyncio.create_task(house.run(stopping)),
                asyncio.create_task(charting.run(stopping)),
            ]
            yield
            stopping.set()
            self.channels = None
            await channels.end(WORKER_GRACE_SECONDS)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _outlets(self) -> Mapping[str, Outlet]:
        workers = self.channels.workers if self.channels else {}
        return {name: each.outlet for name, each in workers.items()}

    def _charted(self) -> Mapping[str, Outlet]:
        """The channels whose messages are to have charts."""
        wanted = self.table.charted
        return {name: each for name, each in self._outlets().items() if name in wanted}

    def _settled(self) -> None:
        """A channel shows something else than before."""
        self.changes.note()
        if self._charting is not None:
            self._charting.wake()

    async def _unwell(self) -> str:
        """Why nobody outside should believe that all is well; "" is well."""
        if self.deadman.down:
            return "alerting is down"
        if lost := self.place.problem():
            return lost
        if self.channels is None or not self.channels.working:
            return "a channel's worker has ended"
        return await self.committing.check()

    async def _take(self, ingest: Ingest) -> None:
        self._accepted(await self.store.accept(ingest))

    def _accepted(self, plan: Plan) -> None:
        if plan.wants:
            self._wake()
        elif plan.step.changed:
            self.changes.note()

    def _wake(self) -> None:
        if self.channels:
            self.channels.wake()
        self.changes.note()

    def _turned_away(self, path: str, status: int) -> None:
        # nothing else would tell of a sender with a wrong token
        if status == UNAUTHORIZED and path in INTAKES:
            self.instruments.refused("unauthorized")

    async def _announce_refusal(self, reason: str) -> None:
        await self.announcer.refusal(reason)
        self.changes.note()

    async def _look_around(self) -> None:
        """Say what is wrong with the channels and the configuration; end what is over."""
        workers = self.channels.workers if self.channels else {}
        self.instruments.stopped({k: w.stopped for k, w in workers.items() if w.stopped})
        self.instruments.refused_configuration = bool(self.reloading.problem)
        await self.announcer.end_refusal()
        lost = self.place.problem()
        if self._changes.changed("database", lost) and lost:
            log.error("the database is lost", problem=lost)


def _tracing(loaded: Loaded[Settings], identity: Identity) -> Tracing | None:
    telemetry = loaded.settings.telemetry
    if not telemetry.traces:
        return None
    return make_tracing(identity, TracePush(telemetry.otlp_endpoint, telemetry.traces_endpoint))
