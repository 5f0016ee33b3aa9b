"""Silences as a part of the running notifier: pages, links, and the follower."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

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


@dataclass
class SilenceService:
    """Lives as long as the web application that it is installed in.

    Attributes:
        channels: the names of the configured channels.
        alertmanager_url: "" switches silences off.
        accept: commits a notification and wakes the workers.
        changed: called when a message has to change.
        context: for the words of the pages; its ``public_url`` is that of the links.
        apps: the Slack apps whose buttons are heard.
    """

    store: SqlStore
    clock: Clock
    channels: tuple[str, ...]
    alertmanager_url: str
    silence_hours: float
    ack_minutes: float
    accept: Callable[[Ingest], Awaitable[None]]
    changed: Callable[[], None]
    context: RenderContext
    apps: tuple[App, ...] = ()
    follower: Follower | None = None
    _desk: Desk | None = None
    _pages: SilencePages | None = None
    _remembered: SilenceStore | None = None
    _signer: Signer = field(default_factory=lambda: Signer(b""))

    def install(self, app: web.Application) -> None:
        """Add the routes and what runs behind them."""
        self._pages = SilencePages(
            lambda: self._desk, lambda: self._signer, self.clock, self.context
        )
        self._pages.install(app)
        app.cleanup_ctx.append(self._running)

    def adopt(
        self,
        context: RenderContext,
        channels: tuple[str, ...],
        silence_hours: float,
        ack_minutes: float,
    ) -> None:
        """Let another configuration be in force."""
        self.context, self.channels = context, channels
        self.silence_hours, self.ack_minutes = silence_hours, ack_minutes
        if self._pages is not None:
            self._pages.context = context
        if self._remembered is not None:
            self._remembered.channels = channels
        if self._desk is not None:
            self._desk.silence_hours, self._desk.ack_minutes = silence_hours, ack_minutes
        if self.follower is not None:
            self.follower.ack_minutes = ack_minutes

    def offers(self, incident: Incident, now: datetime) -> Mapping[str, str]:
        """The links of a message; none while silences are off."""
        if self._desk is None:
            return {}
        return Offers(self._signer, self.context.public_url)(incident, now)

    def page_offers(self, incident: Incident, now: datetime) -> Mapping[str, str]:
        """The same names for a page that anybody on this machine may read: without the right."""
        if self._desk is None:
            return {}
        return page_offers(self.context.public_url)(incident, now)

    async def _running(self, _app: web.Application) -> AsyncIterator[None]:
        if not self.alertmanager_url:
            yield
            return
        remembered = self._remembered = SilenceStore(self.store, self.channels)
        self._signer = Signer(await remembered.key())
        async with open_session() as session:
            alertmanager = Alertmanager(session, self.alertmanager_url)
            self._desk = Desk(
                alertmanager,
                remembered,
                self.clock,
                self.silence_hours,
                self.ack_minutes,
                self.changed,
            )
            self.follower = Follower(
                alertmanager,
                remembered,
                self.clock,
                self.ack_minutes,
                self.accept,
                self.changed,
            )
            heard = [Buttons(app, self._desk, session) for app in self.apps]
            stopping = asyncio.Event()
            tasks = [asyncio.create_task(self.follower.run(stopping))]
            tasks += [asyncio.create_task(each.run(stopping)) for each in heard]
            yield
            stopping.set()
            _, late = await asyncio.wait(tasks, timeout=END_SECONDS)
            for each in late:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
