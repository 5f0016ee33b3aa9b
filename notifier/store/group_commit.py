"""Group commit: whoever waits while a transaction runs shares the next one.

One commit per webhook is bound by the disk's fsync; one commit per line of them is not.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

from notifier.errors import AwayError, BusyError, StoreError

Item = TypeVar("Item")
Result = TypeVar("Result")
Apply = Callable[[Connection, Sequence[Item]], Sequence[Result]]
# one transaction must stay short, or its line waits longer than Alertmanager does
LONGEST_BATCH = 256
# for how much of the time of the last commit, and how long at most, it pays to wait for company
GATHERING_SHARE = 2.0
GATHERING_SECONDS = 0.005
# no item is at fault, and trying each by itself would only take longer
_AWAY = (AwayError, OperationalError, InterfaceError, NoConnection)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a line takes from strangers.

    Attributes:
        items: how many may wait.
        weight: how many bytes may wait; one item is always taken.
        seconds: how long an item's caller waits for its commit.
    """

    items: int
    weight: int
    seconds: float


class Line(Generic[Item, Result]):
    """A waiting line in front of the database.

    Args:
        transact: runs a function in one committed transaction.
        apply: does the work of a whole batch on its connection.
        bounds: of the line; None for work that the notifier gives itself.
        weigh: the bytes of an item.
    """

    def __init__(
        self,
        transact: Callable[[Callable[[Connection], Sequence[Result]]], Awaitable[Sequence[Result]]],
        apply: Apply[Item, Result],
        bounds: Bounds | None = None,
        weigh: Callable[[Item], int] = lambda _item: 0,
    ) -> None:
        self._transact = transact
        self._apply = apply
        self.bounds = bounds
        self._weigh = weigh
        self._weight = 0
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._wake = asyncio.Event()
        self._patience = _Patience(bounds.seconds if bounds else None)
        # how many it pays to wait for, and until when by the loop's clock
        self._expected, self._until = 0, 0.0
        self._task = asyncio.create_task(self._drain())
        self._closed = False

    @property
    def length(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def put(self, item: Item) -> "asyncio.Future[Result]":
        """Join the line; the commit that the item is part of brings its result.

        A caller that goes away does not take its item out of the line.

        Raises:
            BusyError: the line is full.
            StoreError: the database cannot commit; nothing was written.
            TimeoutError: from the future, when nothing is known after the bound.
        """
        if self._closed:
            raise StoreError("the notifier is stopping")
        if self.bounds is not None:
            self._admit(item, self.bounds)
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._patience.of(future)
        if len(self._waiting) >= self._expected:
            self._wake.set()
        return future

    def _admit(self, item: Item, bounds: Bounds) -> None:
        if len(self._waiting) >= bounds.items:
            raise BusyError(f"{len(self._waiting)} webhooks already wait for a commit")
        weight = self._weigh(item)
        if self._waiting and self._weight + weight > bounds.weight:
            raise BusyError(f"webhooks of {self._weight} bytes already wait for a commit")
        self._weight += weight

    async def close(self) -> None:
        """Commit what waits, then stop."""
        self._closed = True
        self._wake.set()
        await self._task
        self._patience.end()

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        while await self._gathered(loop):
            count = min(len(self._waiting), LONGEST_BATCH)
            batch = [self._waiting.popleft() for _ in range(count)]
            if self.bounds is not None:
                self._weight -= sum(self._weigh(item) for item, _ in batch)
            begun = loop.time()
            await self._commit(batch)
            ended = loop.time()
            self._expected = min(count + len(self._waiting), LONGEST_BATCH)
            self._until = ended + min((ended - begun) * GATHERING_SHARE, GATHERING_SECONDS)

    async def _gathered(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Wait until a batch is together; False when the line is closed and empty.

        Who was just answered is often back in a moment: one transaction for all of them costs
        less than two. A webhook that comes alone finds that moment over.
        """
        while len(self._waiting) < self._expected and not self._closed:
            left = self._until - loop.time()
            if left <= 0:
                break
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._wake.wait()
        self._expected = 0
        while not self._waiting:
            if self._closed:
                return False
            self._wake.clear()
            await self._wake.wait()
        return True

    async def _commit(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        items = [item for item, _ in batch]
        try:
            results = await self._transact(lambda connection: self._apply(connection, items))
        except Exception as error:  # noqa: BLE001 - every error belongs to whoever waits for it
            if len(batch) > 1 and not isinstance(error, _AWAY):
                # one of them may be at fault: it must not take the others with it
                for one in batch:
                    await self._commit([one])
                return
            if self._closed and isinstance(error, _AWAY):
                # whoever stops waits for one try, not for one for every batch
                batch += self._waiting
                self._waiting.clear()
            for _, future in batch:
                _fail(future, as_store_error(error))
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)


class _Patience:
    """Ends the wait of callers after a time, with one timer for all of them.

    Args:
        seconds: how long each waits; None is for ever.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._callers: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def of(self, future: "asyncio.Future[Any]") -> None:
        """Let the caller wait no longer than the others."""
        if self._seconds is None:
            return
        callers = self._callers
        while callers and callers[0][1].done():
            callers.popleft()
        loop = future.get_loop()
        callers.append((loop.time() + self._seconds, future))
        if self._timer is None:
            self._timer = loop.call_at(callers[0][0], self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        callers, now = self._callers, loop.time()
        while callers and (callers[0][1].done() or callers[0][0] <= now):
            _fail(callers.popleft()[1], TimeoutError())
        self._timer = loop.call_at(callers[0][0], self._look, loop) if callers else None

    def end(self) -> None:
        """Nobody waits any more."""
        if self._timer is not None:
            self._timer.cancel()


def _fail(future: "asyncio.Future[Result]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
        # a caller that went away must not become a warning about an error nobody saw
        with suppress(Exception):
            future.exception()


def as_store_error(error: Exception) -> Exception:
    """What the database says, in our words; a defect stays what it is."""
    if isinstance(error, DBAPIError):
        return StoreError(f"the database refuses: {error.orig}")
    if isinstance(error, NoConnection):
        return StoreError("the database does not answer: all connections are busy")
    if isinstance(error, OSError):
        return StoreError(f"the database cannot be reached: {error.strerror or error}")
    return error
