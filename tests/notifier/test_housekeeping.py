"""What is done every now and then goes on whatever happens."""

import asyncio
from collections.abc import Awaitable, Callable

from notifier.housekeeping import ROUND_SECONDS, Housekeeping
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
