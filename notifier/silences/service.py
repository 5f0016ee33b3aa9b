"""Silences as a part of the running notifier: pages, links, and the follower."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import aiohttp
from aiohttp import web

from notifier.clock import Clock
from notifier.deliver.http import open_session
from notifier.incident import Incident
from notifier.render import RenderContext
from notifier.silences.alertmanager import Alertmanager
from notifier.silences.asking import Desk, Offers, page_offers
from notifier.silences.buttons import App, Buttons
from notifier.silences.follower import Follower
from notifier.silences.links import Signer
from notifier.silences.store import SilenceStore
from notifier.store.base import Ingest
from notifier.store.sql import SqlStore
from notifier.web.silences import SilencePages

END_SECONDS = 2.0


@dataclass(frozen=True)
class Wanted:
    """What the configuration says of silences.

    Attributes:
        channels: the names of the configured channels.
        alertmanager_url: "" switches silences off.
        context: for the words of the pages; its ``public_url`` is that of the links.
        apps: the Slack apps whose buttons are heard, by address and token.
    """

    channels: tuple[str, ...]
    alertmanager_url: str
    silence_hours: float
    ack_minutes: float
    context: RenderContext
    apps: Mapping[tuple[str, str], App] = field(default_factory=dict, repr=False)

    def same_places(self, other: "Wanted") -> bool:
        """Whether it needs the same connections."""
        return (self.alertmanager_url, [*self.apps]) == (other.alertmanager_url, [*other.apps])


@dataclass
class SilenceService:
    """Lives as long as the web application that it is installed in.

    Attributes:
        wanted: the configuration in force.
        accept: commits a notification and wakes the workers.
        changed: called when a message has to change.
    """

    store: SqlStore
    clock: Clock
    wanted: Wanted
    accept: Callable[[Ingest], Awaitable[None]]
    changed: Callable[[], None]
    follower: Follower | None = None
    _desk: Desk | None = None
    _pages: SilencePages | None = None
    _remembered: SilenceStore | None = None
    _signer: Signer = field(default_factory=lambda: Signer(b""))
    _session: aiohttp.ClientSession | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    def install(self, app: web.Application) -> None:
        """Add the routes and what runs behind them."""
        self._pages = SilencePages(
            lambda: self._desk, lambda: self._signer, self.clock, self.wanted.context
        )
        self._pages.install(app)
        app.cleanup_ctx.append(self._running)

    async def adopt(self, wanted: Wanted) -> None:
        """Let another configuration be in force."""
        before, self.wanted = self.wanted, wanted
        if self._pages is not None:
            self._pages.context = wanted.context
        if self._session is not None and not wanted.same_places(before):
            await self._disconnect()
            # the service may have ended meanwhile
            if self._session is not None:
                self._connect(self._session)
        if self._remembered is not None:
            self._remembered.channels = wanted.channels
        if self._desk is not None:
            self._desk.silence_hours = wanted.silence_hours
            self._desk.ack_minutes = wanted.ack_minutes
        if self.follower is not None:
            self.follower.ack_minutes = wanted.ack_minutes

    def offers(self, incident: Incident, now: datetime) -> Mapping[str, str]:
        """The links of a message; none while silences are off."""
        if self._desk is None:
            return {}
        return Offers(self._signer, self.wanted.context.public_url)(incident, now)

    def page_offers(self, incident: Incident, now: datetime) -> Mapping[str, str]:
        """The same names for a page that anybody on this machine may read: without the right."""
        if self._desk is None:
            return {}
        return page_offers(self.wanted.context.public_url)(incident, now)

    async def _running(self, _app: web.Application) -> AsyncIterator[None]:
        self._remembered = SilenceStore(self.store, self.wanted.channels)
        self._signer = Signer(await self._remembered.key())
        async with open_session() as session:
            self._session = session
            self._connect(session)
            yield
            self._session = None
            await self._disconnect()

    def _connect(self, session: aiohttp.ClientSession) -> None:
        """Follow the Alertmanager of the configuration, and hear its Slack apps."""
        wanted, remembered = self.wanted, self._remembered
        if not wanted.alertmanager_url or remembered is None:
            return
        alertmanager = Alertmanager(session, wanted.alertmanager_url)
        self._desk = Desk(
            alertmanager,
            remembered,
            self.clock,
            wanted.silence_hours,
            wanted.ack_minutes,
            self.changed,
        )
        self.follower = Follower(
            alertmanager,
            remembered,
            self.clock,
            wanted.ack_minutes,
            self.accept,
            self.changed,
        )
        heard = [Buttons(app, self._desk, session) for app in wanted.apps.values()]
        self._stopping = asyncio.Event()
        self._tasks = [asyncio.create_task(self.follower.run(self._stopping))]
        self._tasks += [asyncio.create_task(each.run(self._stopping)) for each in heard]

    async def _disconnect(self) -> None:
        self._stopping.set()
        tasks, self._tasks = self._tasks, []
        self._desk = self.follower = None
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=END_SECONDS)
        for each in late:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
