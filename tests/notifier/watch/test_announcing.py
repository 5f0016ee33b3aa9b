"""What the notifier has to say about itself is said, and ends."""

import pytest

from notifier.alerts import AlertStatus
from notifier.errors import StoreError
from notifier.settings import Notifier
from notifier.store import Ingest, SqlStore
from notifier.testing import ManualClock
from notifier.watch.announcing import REFUSAL_SECONDS, Announcer


class Rig:
    """An announcer, its clock, and what was committed of what it said."""

    def __init__(self, store: SqlStore) -> None:
        self.clock = ManualClock()
        self.said: list[AlertStatus] = []
        self.away = False
        self.announcer = Announcer(store, self.clock, Notifier, self._take)

    async def _take(self, ingest: Ingest) -> None:
        if self.away:
            raise StoreError("away")
        self.said.append(ingest.notification.alerts[0].status)

    async def ended(self) -> bool:
        """Whether the refusal is over after a long time without another."""
        await self.clock.advance(REFUSAL_SECONDS + 1)
        await self.announcer.end_refusal()
        return self.said[-1:] == [AlertStatus.RESOLVED]


async def test_a_refusal_is_said_once_and_ends_by_itself(memory: SqlStore) -> None:
    """The quiet counts from the last one; the next one is another."""
    rig = Rig(memory)
    for _ in range(3):
        await rig.announcer.refusal("not JSON")
        await rig.clock.advance(REFUSAL_SECONDS - 1)
        await rig.announcer.end_refusal()
    assert rig.said == [AlertStatus.FIRING]
    assert await rig.ended()
    await rig.announcer.refusal("not JSON")
    assert rig.said[1:] == [AlertStatus.RESOLVED, AlertStatus.FIRING]


async def test_what_cannot_be_said_is_said_later(memory: SqlStore) -> None:
    """A database that is away costs neither the beginning nor the end."""
    rig = Rig(memory)
    rig.away = True
    with pytest.raises(StoreError):
        await rig.announcer.refusal("not JSON")
    rig.away = False
    await rig.announcer.refusal("not JSON")
    assert rig.said == [AlertStatus.FIRING]
    rig.away = True
    with pytest.raises(StoreError):
        await rig.ended()
    rig.away = False
    assert await rig.ended()


async def test_a_refusal_ends_after_a_restart_as_well(memory: SqlStore) -> None:
    """Nobody else would ever end it."""
    await Rig(memory).announcer.refusal("not JSON")
    for over in (True, False):
        next_life = Rig(memory)
        await next_life.announcer.start()
        assert await next_life.ended() is over
