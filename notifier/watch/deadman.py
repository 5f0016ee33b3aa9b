"""The dead man's switch: says that alerting is down when the Watchdog falls silent."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from notifier.alerts import AlertStatus
from notifier.clock import Clock, first_of
from notifier.errors import StoreError
from notifier.store.base import Store

log = structlog.get_logger(__name__)

LOOK_SECONDS = 5.0
# meta keys: when the last heartbeat came, and whether we have said that none comes
BEAT_AT = "heartbeat_at"
SAID_DOWN = "heartbeat_said_down"

Announce = Callable[[AlertStatus], Awaitable[None]]


@dataclass
class DeadMansSwitch:
    """Arms at the first heartbeat, for good; a restart gives a full timeout of grace.

    Time is monotonic: a step of the wall clock neither raises nor hides an alarm.

    Attributes:
        timeout_seconds: silence that means down; 0 switches it off.
        announce: commits the beginning or the end of "alerting is down".
    """

    store: Store
    clock: Clock
    timeout_seconds: float
    announce: Announce
    down: bool = False
    _armed: bool = False
    _heard_at: float = 0.0
    _stored: str | None = None

    async def start(self) -> None:
        """Remember what was known before."""
        self._stored = await self.store.read_meta(BEAT_AT)
        self._armed = self._stored is not None
        self.down = await self.store.read_meta(SAID_DOWN) == "yes"
        self._heard_at = self.clock.monotonic()

    @property
    def heard(self) -> datetime | None:
        """When the last heartbeat came; None before the first."""
        return datetime.fromisoformat(self._stored) if self._stored else None

    async def beat(self) -> None:
        """A heartbeat arrived; returns once that is committed.

        Raises:
            StoreError: it cannot be committed.
        """
        stamp = self.clock.now().isoformat()
        await self.store.write_meta(BEAT_AT, stamp)
        self._stored = stamp
        await self._hear()

    async def run(self, stopping: asyncio.Event) -> None:
        """Watch until told to stop; the timeout may change meanwhile."""
        while not stopping.is_set():
            try:
                if self.timeout_seconds > 0:
                    await self.check()
            except StoreError as error:
                log.warning("heartbeat cannot be checked", error=str(error))
            except Exception:
                # a defect must not end the watch: nobody else would notice the silence
                log.exception("heartbeat not checked")
            wait = min(LOOK_SECONDS, self.timeout_seconds / 10 or LOOK_SECONDS)
            await first_of(stopping.wait(), self.clock.sleep(wait))

    async def check(self) -> None:
        """Look whether the silence has lasted too long; another replica may have heard it."""
        stored = await self.store.read_meta(BEAT_AT)
        if stored != self._stored:
            self._stored = stored
            await self._hear()
        silence = self.clock.monotonic() - self._heard_at
        if self._armed and not self.down and silence > self.timeout_seconds:
            log.error("alerting is down", silent_seconds=round(silence))
            await self.announce(AlertStatus.FIRING)
            await self.store.write_meta(SAID_DOWN, "yes")
            self.down = True

    async def _hear(self) -> None:
        self._armed = True
        self._heard_at = self.clock.monotonic()
        if self.down:
            log.info("alerting is back")
            await self.announce(AlertStatus.RESOLVED)
            await self.store.write_meta(SAID_DOWN, "no")
            self.down = False
