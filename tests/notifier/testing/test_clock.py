"""The clock of tests."""

import asyncio
from datetime import timedelta

from notifier.testing import ManualClock


async def test_sleepers_wake_in_order_at_their_own_time() -> None:
    """Each sees the time that it slept until, however far the clock is moved at once."""
    clock = ManualClock()
    start, woke = clock.monotonic(), []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woke.append(clock.monotonic() - start)

    tasks = [asyncio.create_task(sleep(seconds)) for seconds in (5, 1, 3)]
    await asyncio.sleep(0)
    assert clock.sleeping == 3
    await clock.advance(4)
    assert woke == [1.0, 3.0]
    await clock.advance(10)
    await asyncio.gather(*tasks)
    assert woke == [1.0, 3.0, 5.0]


async def test_a_fast_clock_needs_nobody_to_move_it() -> None:
    """Hours pass while a test waits for nothing."""
    clock = ManualClock(fast=True)
    before = clock.now()
    await clock.sleep(3600)
    assert clock.now() - before == timedelta(hours=1)


def test_a_jump_moves_the_wall_only() -> None:
    """As NTP would."""
    clock = ManualClock()
    wall, monotonic = clock.now(), clock.monotonic()
    clock.jump(-60)
    assert (clock.now() - wall, clock.monotonic()) == (timedelta(seconds=-60), monotonic)
