"""What is done every now and then goes on whatever happens."""

import asyncio
from collections.abc import Awaitable, Callable

from notifier.clock import SystemClock
from notifier.housekeeping import Housekeeping
from notifier.settings import Notifier
from notifier.store import SqlStore


async def test_a_defect_ends_a_round_only(
    store: SqlStore, eventually: Callable[..., Awaitable[None]]
) -> None:
    """The next round counts the backlog again."""
    rounds = 0

    async def look() -> None:
        nonlocal rounds
        rounds += 1
        raise RuntimeError("defect")

    async def twice() -> bool:
        return rounds > 1

    stopping = asyncio.Event()
    house = Housekeeping(store, SystemClock(), Notifier, look)
    task = asyncio.create_task(house.run(stopping))
    await eventually(twice)
    stopping.set()
    await task
