"""The waiting line in front of the database, without a database; the loop's clock stands still."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from notifier.errors import BusyError
from notifier.store.group_commit import Bounds, Line

BOUNDS = Bounds(items=8, weight=100, seconds=8.0)


class _Database:
    """Commits when it is told to; remembers what it was given in each transaction."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.seconds = 0.0
        self.now = 0.0
        self._open = asyncio.Event()
        asyncio.get_running_loop().time = lambda: self.now  # type: ignore[method-assign]

    async def transact(self, work: Callable[[Any], Sequence[int]]) -> Sequence[int]:
        await self._open.wait()
        self.now += self.seconds
        return work(None)

    def apply(self, _connection: Any, items: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(items))
        return list(items)

    def line(self, bounds: Bounds | None = BOUNDS) -> "Line[int, int]":
        return Line(self.transact, self.apply, bounds, lambda item: item)

    def let_commit(self) -> None:
        self._open.set()


async def _settle() -> None:
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
async def database() -> _Database:
    """A database on the loop of the test."""
    return _Database()


async def test_who_was_just_answered_shares_the_next_commit(database: _Database) -> None:
    """Two clients, one of which waits while the other is answered, end in one transaction."""
    line = database.line()
    first = line.put(1)
    await _settle()
    second = line.put(2)
    database.seconds = 0.002
    database.let_commit()
    assert await first == 1
    await _settle()
    assert database.batches == [[1]]
    first = line.put(3)
    assert [await second, await first] == [2, 3]
    assert database.batches == [[1], [2, 3]]
    await line.close()


async def test_company_that_does_not_come_is_not_waited_for(database: _Database) -> None:
    """Twice the time of a commit, and then whoever is there goes alone."""
    line = database.line()
    first = line.put(1)
    await _settle()
    second = line.put(2)
    database.seconds = 0.002
    database.let_commit()
    await first
    await _settle()
    assert not second.done()
    database.now += 0.004
    assert await second == 2
    database.now += 60
    assert await line.put(3) == 3
    assert database.batches == [[1], [2], [3]]
    await line.close()


async def test_a_caller_waits_no_longer_than_the_bound(database: _Database) -> None:
    """The sender learns in time that nothing is known; its webhook stays in the line."""
    line = database.line()
    first = line.put(1)
    database.now = 5.0
    second = line.put(2)
    database.now = 8.5
    with pytest.raises(TimeoutError):
        await first
    assert not second.done()
    database.now = 13.5
    with pytest.raises(TimeoutError):
        await second
    database.let_commit()
    await line.close()
    assert sorted(item for batch in database.batches for item in batch) == [1, 2]


async def test_a_line_is_bounded_in_items_and_bytes(database: _Database) -> None:
    """Beyond that the sender is told to come again; one item is always taken."""
    line = database.line()
    first = line.put(500)
    await _settle()
    heavy = line.put(60)
    with pytest.raises(BusyError, match="60 bytes"):
        line.put(50)
    light = [line.put(1) for _ in range(7)]
    with pytest.raises(BusyError, match="8 webhooks"):
        line.put(1)
    database.let_commit()
    assert [await first, await heavy, *[await each for each in light]] == [500, 60, *[1] * 7]
    await line.close()


async def test_work_of_our_own_has_no_bounds(database: _Database) -> None:
    """What the notifier gives itself is never refused and never given up."""
    line = database.line(None)
    many = [line.put(each) for each in range(1000)]
    database.now = 1000.0
    await _settle()
    database.let_commit()
    assert [await each for each in many] == list(range(1000))
    await line.close()
