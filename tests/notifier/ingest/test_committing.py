"""Whether the notifier can do its work: it says so, and finds out by itself when it can again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from notifier.errors import StoreError
from notifier.ingest import committing as module
from notifier.ingest.committing import LEAST_ROOM, Committing
from notifier.testing import ManualClock
from notifier.testing.webhooks import Body, alert, webhook


def bulky(number: int) -> Body:
    """A webhook that does not fit into the free room of the pages that are there."""
    return webhook(alert(f"A{number}", annotations={"story": "x" * 30_000}), group_key=str(number))


async def room(run: Any, pages: int) -> None:
    """Let the file grow to so many pages, as a disk that is full does; 0 is what it has now."""
    await run.service.store.write(lambda c: c.exec_driver_sql(f"PRAGMA max_page_count={pages}"))


async def ready(run: Any) -> tuple[int, Any]:
    """What ``/-/ready`` answers."""
    async with run.http.get(f"{run.base}/-/ready") as response:
        return response.status, await response.json()


async def test_a_full_disk_makes_it_unready_until_there_is_room_for_a_webhook(
    start: Callable[..., Any], eventually: Callable[..., Awaitable[None]]
) -> None:
    """A small commit still goes through then, and proves nothing; nobody has to post meanwhile."""
    run = await start("")
    assert (await ready(run))[0] == 200
    await room(run, 1)
    with capture_logs() as lines:
        await run.post(bulky(1), 503)
        status, document = await ready(run)
        assert (status, document["status"]) == (503, "not ready")
        assert "full" in document["error"]
        await room(run, 1_000_000)

        async def well() -> bool:
            return (await ready(run))[0] == 200

        await eventually(well)
    said = [line["event"] for line in lines]
    assert said == ["webhooks cannot be accepted", "webhooks are accepted again"]
    await run.post(bulky(1))


async def test_a_disk_that_stays_full_stays_told(start: Callable[..., Any]) -> None:
    """Its own tries fail as the webhook did, and leave nothing behind."""
    run = await start("")
    await room(run, 1)
    await run.post(bulky(1), 503)
    committing = run.service.committing
    for _ in range(2):
        await committing.try_room()
        assert (await ready(run))[0] == 503
    await room(run, 1_000_000)
    await committing.try_room()
    assert (await ready(run))[0] == 200
    assert await run.service.store.read_meta("room") == ""


class Disk:
    """Takes what it is given when it has the room, and not before it is let."""

    def __init__(self, room: int = 10**9) -> None:
        self.room = room
        self.waiting = 0
        self.asked: list[int] = []
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()

    async def write_meta(self, _key: str, value: str) -> None:
        """As the store does."""
        self.asked.append(len(value))
        self.reached.set()
        await self.open.wait()
        if len(value) > self.room:
            raise StoreError("full")


def on(disk: Disk) -> Committing:
    """What knows about that disk only."""
    store: Any = disk
    return Committing(store, ManualClock())


async def test_a_webhook_of_the_size_that_failed_is_proof_as_well() -> None:
    """A smaller one is not; the log says the end once, when it is true."""
    committing = on(Disk())
    with capture_logs() as lines:
        committing.failed("full", 2 * LEAST_ROOM)
        committing.worked(LEAST_ROOM)
        committing.worked()
        assert await committing.check() == "full"
        committing.worked(2 * LEAST_ROOM)
        assert await committing.check() == ""
    said = [line["event"] for line in lines]
    assert said == ["webhooks cannot be accepted", "webhooks are accepted again"]


async def test_a_line_that_is_full_is_told_once() -> None:
    """It takes some and refuses some, and is no reason to be unready."""
    disk = Disk()
    committing = on(disk)
    disk.waiting = 5
    with capture_logs() as lines:
        for _ in range(3):
            committing.refused("more come")
            committing.worked()
        assert await committing.check() == ""
        assert len(lines) == 1
        disk.waiting = 0
        committing.worked()
    assert lines[-1]["event"] == "webhooks are accepted again"


async def test_a_larger_webhook_that_fails_meanwhile_counts() -> None:
    """A try of the size of the first one says nothing about it."""
    disk = Disk()
    committing = on(disk)
    committing.failed("full", 0)
    disk.open.clear()
    trying = asyncio.create_task(committing.try_room())
    await disk.reached.wait()
    committing.failed("full", 5 * LEAST_ROOM)
    disk.open.set()
    await trying
    assert await committing.check() == "full"
    await committing.try_room()
    assert await committing.check() == ""
    assert max(disk.asked) == 5 * LEAST_ROOM


async def test_tries_do_not_pile_up_in_front_of_a_database_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They would all be committed, one after the other, when it is back."""
    monkeypatch.setattr(module, "LONGEST_TRY_SECONDS", 0.001)
    disk = Disk()
    disk.open.clear()
    committing = on(disk)
    assert await committing.check() == "the database does not commit"
    for _ in range(5):
        await committing.try_room()
        assert committing.problem == "the database does not commit"
    assert disk.asked == [len(committing.clock.now().isoformat()), LEAST_ROOM]
    disk.open.set()
    monkeypatch.setattr(module, "LONGEST_TRY_SECONDS", 20)
    await committing.try_room()
    assert await committing.check() == ""
