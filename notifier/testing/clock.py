"""A clock that stands still until a test moves it."""

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)


class ManualClock:
    """A :class:`notifier.clock.Clock` that only :meth:`advance` and :meth:`jump` move.

    Args:
        start: the first wall-clock time, aware.
        fast: let :meth:`sleep` move the clock itself and return at once, so that hours pass
            in milliseconds. Only one task may sleep on a fast clock at a time.
    """

    def __init__(self, start: datetime = START, *, fast: bool = False) -> None:
        self._wall = start
        self._monotonic = 1_000.0
        self._fast = fast
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """The wall-clock time, aware, in UTC."""
        return self._wall

    def monotonic(self) -> float:
        """Seconds that never go backwards."""
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """Return once the clock has been moved so far."""
        if self._fast:
            self._move(max(seconds, 0.0))
            await asyncio.sleep(0)
            return
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._order), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Let the time pass; each sleeper wakes at its own second, in order."""
        end = self._monotonic + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, future = heapq.heappop(self._sleepers)
            self._move(max(due - self._monotonic, 0.0))
            if not future.done():
                future.set_result(None)
            await asyncio.sleep(0)
        self._move(end - self._monotonic)
        await asyncio.sleep(0)

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an operator or NTP would."""
        self._wall += timedelta(seconds=seconds)

    @property
    def sleeping(self) -> int:
        """How many tasks wait for this clock."""
        return sum(not future.done() for _, _, future in self._sleepers)

    def _move(self, seconds: float) -> None:
        self._monotonic += seconds
        self._wall += timedelta(seconds=seconds)
