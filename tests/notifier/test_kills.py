"""The storm of kills, small; ``python -m benchmarks.storm`` is the whole one."""

import pytest

from benchmarks.storm import Size, rage
from notifier import killpoints

pytestmark = [pytest.mark.durability, pytest.mark.timeout(300)]


async def test_a_storm_of_kills_loses_nothing() -> None:
    """Every end is right on both chats; no more duplicates than kills and lost answers explain."""
    verdict = await rage(Size(incidents=24, kills=len(killpoints.POINTS) + 1, channels=4, seed=1))
    assert not verdict.lost
    assert not verdict.wrong
    assert sum(verdict.kills.values()) == len(killpoints.POINTS) + 1
    assert verdict.holds
