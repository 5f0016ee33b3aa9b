"""Group commit: whoever waits while a transaction runs shares the next one.

One commit per webhook is bound by the disk's fsync; one commit per line of them is not.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

from notifier.errors import BusyError, StoreError

Item = TypeVar("Item")
Result = TypeVar("Result")
Apply = Callable[[Connection, Sequence[Item]], Sequence[Result]]
# one transaction must stay short, or its line waits longer than Alertmanager does
LONGEST_BATCH = 256
# no item is at fault, and trying each by itself would only take longer
_AWAY = (OperationalError, InterfaceError, NoConnection)


class Line(Generic[Item, Result]):
    """A bounded waiting line in front of the database.

    Args:
        transact: runs a function in one committed transaction.
        apply: does the work of a whole batch on its connection.
        bound: how many may wait; None for work that the notifier gives itself.
        weigh: the bytes of an item.
        heaviest: how many bytes may wait; one item is always taken.
    """

    def __init__(
        self,
        transact: Callable[[Callable[[Connection], Sequence[Result]]], Awaitable[Sequence[Result]]],
        apply: Apply[Item, Result],
        bound: int | None,
        weigh: Callable[[Item], int] = lambda _item: 0,
        heaviest: int = 0,
    ) -> None:
        self._transact = transact
        self._apply = apply
        self.bound = bound
        self._weigh = weigh
        self._heaviest = heaviest
        self._weight = 0
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._wake = asyncio.Event()
        self._task = asyncio.create_task(self._drain())
        self._closed = False

    @property
    def length(self) -> int:
        """How many wait."""
        return len(self._waiting)

    async def put(self, item: Item) -> Result:
        """Wait for the commit that the item is part of, and return its result.

        A caller that goes away does not take its item out of the line.

        Raises:
            BusyError: the line is full.
            StoreError: the database cannot commit; nothing was written.
        """
        if self._closed:
            raise StoreError("the notifier is stopping")
        if self.bound is not None and len(self._waiting) >= self.bound:
            raise BusyError(f"{len(self._waiting)} webhooks already wait for a commit")
        weight = self._weigh(item)
        if self._waiting and self._weight + weight > self._heaviest:
            raise BusyError(f"webhooks of {self._weight} bytes already wait for a commit")
        self._weight += weight
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        self._wake.set()
        return await future

    async def close(self) -> None:
        """Commit what waits, then stop."""
        self._closed = True
        self._wake.set()
        await self._task

    async def _drain(self) -> None:
        while True:
            if not self._waiting:
                if self._closed:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            count = min(len(self._waiting), LONGEST_BATCH)
            batch = [self._waiting.popleft() for _ in range(count)]
            self._weight -= sum(self._weigh(item) for item, _ in batch)
            await self._commit(batch)

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
            for _, future in batch:
                _fail(future, as_store_error(error))
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():
                future.set_result(result)


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
