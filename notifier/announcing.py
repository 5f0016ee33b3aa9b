"""What the notifier has to say about itself becomes incidents like any other."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from notifier.alerts import AlertStatus
from notifier.clock import Clock
from notifier.own import OwnAlert, own_body, own_notification
from notifier.settings import Notifier
from notifier.store import Ingest

# an announced refusal ends when nothing has been refused for so long
REFUSAL_SECONDS = 600.0


@dataclass
class Announcer:
    """Opens and ends the notifier's own incidents; raises StoreError when they cannot be kept.

    Attributes:
        table: the settings in force.
        take: commits a notification and wakes the workers.
    """

    clock: Clock
    table: Callable[[], Notifier]
    take: Callable[[Ingest], Awaitable[None]]
    _refused_at: float | None = None

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
        known, self._refused_at = self._refused_at, self.clock.monotonic()
        if known is None:
            await self._announce(OwnAlert.NOTIFICATION_REFUSED, AlertStatus.FIRING, reason=reason)

    async def end_refusal(self) -> None:
        """End what was said of refusals when there have been none for a while."""
        at = self._refused_at
        if at is not None and self.clock.monotonic() - at > REFUSAL_SECONDS:
            self._refused_at = None
            await self._announce(OwnAlert.NOTIFICATION_REFUSED, AlertStatus.RESOLVED, reason="")

    async def _announce(self, name: OwnAlert, status: AlertStatus, **values: str) -> None:
        now = self.clock.now()
        said = own_notification(name, status, now, self.table().language, **values)
        await self.take(Ingest(said, own_body(said), now))
