"""What the notifier does every now and then: know its backlog, keep its database small."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from notifier.clock import Clock, first_of
from notifier.errors import StoreError
from notifier.settings import Notifier
from notifier.store import Backlog, SqlStore

log = structlog.get_logger(__name__)

ROUND_SECONDS = 2.0
# what counting the backlog may cost: a twentieth of the time
BACKLOG_SHARE = 0.05
SWEEP_SECONDS = 600.0
MEGABYTE = 1_000_000
COLLECT_SECONDS = 60.0
COLLECT_AT_LAST_SECONDS = 600.0
# of a process in which no large webhook is under way; a collection of so many takes some 50 ms
QUIET_OBJECTS = 300_000


@dataclass
class Housekeeping:
    """Runs in rounds.

    Attributes:
        table: the settings in force, which may change.
        each_round: what else is to be done in every round; may raise StoreError.
        backlog: what waited in the last round; None before the first.
    """

    store: SqlStore
    clock: Clock
    table: Callable[[], Notifier]
    each_round: Callable[[], Awaitable[None]]
    backlog: Backlog | None = None
    _collected_at: float = 0.0

    async def run(self, stopping: asyncio.Event) -> None:
        """Go on until told to stop; an error of the database ends a round only."""
        sweep_at = self.clock.monotonic()
        while not stopping.is_set():
            pause = ROUND_SECONDS
            try:
                # first: without a database there is garbage, too
                self._collect()
                pause = max(pause, await self._count() / BACKLOG_SHARE)
                await self.each_round()
                if self.clock.monotonic() >= sweep_at:
                    sweep_at = self.clock.monotonic() + SWEEP_SECONDS
                    await self._sweep()
            except StoreError as error:
                log.warning("housekeeping failed", error=str(error))
            except Exception:
                # a defect must not end it: the backlog would look as it did then for ever
                log.exception("housekeeping failed")
            await first_of(stopping.wait(), self.clock.sleep(pause))

    def _collect(self) -> None:
        since = self.clock.monotonic() - self._collected_at
        if since >= COLLECT_SECONDS and collect(at_last=since >= COLLECT_AT_LAST_SECONDS):
            self._collected_at = self.clock.monotonic()

    async def _count(self) -> float:
        """Count what waits; returns how many seconds that took."""
        began = self.clock.monotonic()
        self.backlog = await self.store.backlog()
        return self.clock.monotonic() - began

    async def _sweep(self) -> None:
        table = self.table()
        before = self.clock.now() - timedelta(days=table.retention_days)
        removed = await self.store.prune(before, int(table.retention_megabytes * MEGABYTE))
        if removed:
            log.info("old incidents and letters removed", count=removed)


def collect(*, at_last: bool = False) -> bool:
    """Free what refers to itself, unless something large lives; returns whether it did.

    The threads stand still meanwhile, for as long as there are objects.
    """
    if not at_last and len(gc.get_objects(generation=2)) > QUIET_OBJECTS:
        return False
    gc.collect()
    return True
