"""The diary in a running service: the ledger in a thread of its own, metrics in step with it."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from wiltonos_otel.longevity.dose import NewDose
from wiltonos_otel.longevity.entries import Dose, Observation, Query, Total
from wiltonos_otel.longevity.ledger import Ledger
from wiltonos_otel.longevity.metrics import DoseMetrics
from wiltonos_otel.longevity.streams import Streams

T = TypeVar("T")


class Diary:
    """Runs the ledger one call at a time, off the event loop.

    What was committed is in the metrics before the caller hears of it, and a caller who goes
    away does not stop a commit half way.

    Args:
        ledger: the open ledger; ``close`` closes it.
        streams: the state of the counter.
        metrics: the instruments.
    """

    def __init__(self, ledger: Ledger, streams: Streams, metrics: DoseMetrics) -> None:
        self._ledger = ledger
        self._streams = streams
        self._metrics = metrics
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="wiltonos-diary")

    async def record(self, new: NewDose, key: str | None) -> tuple[Dose, bool]:
        """See ``Ledger.record``."""
        return await self._run(lambda: self._record(new, key))

    async def withdraw(self, identity: int, reason: str) -> Dose:
        """See ``Ledger.withdraw``."""
        return await self._run(lambda: self._withdraw(identity, reason))

    async def get(self, identity: int) -> Dose:
        """See ``Ledger.get``."""
        return await self._run(lambda: self._ledger.get(identity))

    async def find(self, query: Query) -> list[Dose]:
        """See ``Ledger.find``."""
        return await self._run(lambda: self._ledger.find(query))

    async def totals(self) -> list[Total]:
        """See ``Ledger.totals``."""
        return await self._run(self._ledger.totals)

    async def check(self) -> None:
        """See ``Ledger.check``."""
        await self._run(self._ledger.check)

    def close(self) -> None:
        """Finish what was begun and close the ledger."""
        self._thread.shutdown(wait=True)
        self._ledger.close()

    def _record(self, new: NewDose, key: str | None) -> tuple[Dose, bool]:
        dose, replayed = self._ledger.record(new, key)
        if not replayed:
            observation = Observation(dose.label, dose.unit, dose.amount, dose.recorded_ms)
            self._streams.add(observation)
            self._streams.follow(self._ledger.streams())
            self._metrics.add(observation)
        return dose, replayed

    def _withdraw(self, identity: int, reason: str) -> Dose:
        dose, again = self._ledger.withdraw(identity, reason)
        if not again:
            self._streams.follow(self._ledger.streams())
        return dose

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work))
