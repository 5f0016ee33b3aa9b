"""What is done every now and then goes on whatever happens."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable

import pytest

from notifier import housekeeping
from notifier.errors import StoreError
from notifier.housekeeping import ROUND_SECONDS, Housekeeping, collect
from notifier.settings import Notifier
from notifier.store import SqlStore
from notifier.testing import ManualClock


async def test_a_defect_ends_a_round_only(
    store: SqlStore, eventually: Callable[..., Awaitable[None]]
) -> None:
    """The next round counts the backlog again, when its time has come and not before."""
    rounds = 0

    async def look() -> None:
        nonlocal rounds
        rounds += 1
        raise RuntimeError("defect")

    clock, stopping = ManualClock(), asyncio.Event()
    house = Housekeeping(store, clock, Notifier, look)
    task = asyncio.create_task(house.run(stopping))

    async def waiting() -> bool:
        return clock.sleeping == 1

    await eventually(waiting)
    await clock.advance(ROUND_SECONDS - 0.1)
    assert rounds == 1
    await clock.advance(0.1)
    await eventually(waiting)
    assert rounds == 2
    stopping.set()
    await task


async def test_garbage_goes_without_a_database(
    store: SqlStore, eventually: Callable[..., Awaitable[None]]
) -> None:
    """Failures make garbage, too, and an outage may last for days."""

    async def look() -> None:
        raise StoreError("away")

    gc.disable()
    try:
        seen = weakref.ref(Ring())
        clock, stopping = ManualClock(), asyncio.Event()
        house = Housekeeping(store, clock, Notifier, look)
        task = asyncio.create_task(house.run(stopping))

        async def gone() -> bool:
            return seen() is None

        await eventually(gone)
        stopping.set()
        await task
    finally:
        gc.enable()


class Ring:
    """Something that refers to itself, so that only a collection frees it."""

    def __init__(self) -> None:
        self.itself = self


def test_a_collection_waits_until_nothing_large_lives_but_not_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It would hold every thread up for as long as there are objects."""
    gc.collect()
    gc.disable()
    try:
        seen = weakref.ref(Ring())
        monkeypatch.setattr(housekeeping, "QUIET_OBJECTS", 0)
        assert not collect()
        assert seen() is not None
        assert collect(at_last=True)
        assert seen() is None
    finally:
        gc.enable()
