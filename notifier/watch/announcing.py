"""What the notifier has to say about itself becomes incidents like any other."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from notifier.alerts import AlertStatus
from notifier.clock import Clock
from notifier.settings import Notifier
from notifier.store import Ingest
from notifier.store.base import Store
from notifier.watch.own import OwnAlert, own_body, own_notification

# an announced refusal ends when nothing has been refused for so long
REFUSAL_SECONDS = 600.0
# meta key: whether one has been announced that has not ended
SAID_REFUSED = "refusal_said"
_MOMENT = timedelta(microseconds=1)


@dataclass
class Announcer:
    """Opens and ends the notifier's own incidents; raises StoreError when they cannot be kept.

    Attributes:
        table: the settings in force.
        take: commits a notification and wakes the workers.
    """

    store: Store
    clock: Clock
    table: Callable[[], Notifier]
    take: Callable[[Ingest], Awaitable[None]]
    _refused_at: float | None = None
    _said_at: datetime | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def start(self) -> None:
        """Remember what was announced before."""
        if await self.store.read_meta(SAID_REFUSED) == "yes":
            self._refused_at = self.clock.monotonic()

    async def alerting(self, status: AlertStatus) -> None:
        """The Watchdog fell silent, or is heard again."""
        seconds = f"{self.table().heartbeat_timeout_seconds:g}"
        await self._announce(OwnAlert.ALERTING_DOWN, status, seconds=seconds)

    async def channel(self, channel: str, reason: str) -> None:
        """A destination is dead; with "" as the reason it is back."""
        status = AlertStatus.FIRING if reason else AlertStatus.RESOLVED
        await self._announce(OwnAlert.CHANNEL_DEAD, status, channel=channel, reason=reason)

    async def refusal(self, reason: str) -> None:
        """A webhook was refused for good."""
        async with self._turn:
            if self._refused_at is None:
                await self.store.write_meta(SAID_REFUSED, "yes")
                await self._announce(
                    OwnAlert.NOTIFICATION_REFUSED, AlertStatus.FIRING, reason=reason
                )
            self._refused_at = self.clock.monotonic()

    async def end_refusal(self) -> None:
        """End what was said of refusals when there have been none for a while."""
        async with self._turn:
            at = self._refused_at
            if at is not None and self.clock.monotonic() - at > REFUSAL_SECONDS:
                await self._announce(OwnAlert.NOTIFICATION_REFUSED, AlertStatus.RESOLVED, reason="")
                await self.store.write_meta(SAID_REFUSED, "no")
                self._refused_at = None

    async def _announce(self, name: OwnAlert, status: AlertStatus, **values: str) -> None:
        now = self.clock.now()
        # an end counts by its instant, and the clock may have been set back since the beginning
        at = self._said_at = max(now, self._said_at + _MOMENT) if self._said_at else now
        said = own_notification(name, status, at, self.table().language, **values)
        await self.take(Ingest(said, own_body(said), now))
