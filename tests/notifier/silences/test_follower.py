"""The follower of silences goes on whatever happens."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import aiohttp

from notifier.clock import SystemClock
from notifier.silences.alertmanager import Alertmanager
from notifier.silences.follower import Follower
from notifier.silences.store import SilenceStore
from notifier.store import SqlStore
from notifier.store.base import Ingest


class _Broken(SystemClock):
    """Fails each time it is asked."""

    asked = 0

    def now(self) -> datetime:
        """Never the time."""
        self.asked += 1
        raise RuntimeError("defect")


async def _accept(_ingest: Ingest) -> None:
    return


async def test_a_defect_ends_a_look_only(
    store: SqlStore, eventually: Callable[..., Awaitable[None]]
) -> None:
    """The next look comes; acknowledgements would otherwise run out without a word."""
    clock, stopping = _Broken(), asyncio.Event()

    async def twice() -> bool:
        return clock.asked > 1

    async with aiohttp.ClientSession() as session:
        alertmanager = Alertmanager(session, "http://127.0.0.1:1")
        remembered = SilenceStore(store, ("slack",))
        follower = Follower(
            alertmanager, remembered, clock, 15, _accept, lambda: None, poll_seconds=0.01
        )
        task = asyncio.create_task(follower.run(stopping))
        await eventually(twice)
        stopping.set()
        await task
