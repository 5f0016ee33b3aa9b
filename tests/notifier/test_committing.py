"""Whether the notifier can do its work: it says so, and finds out by itself when it can again."""

from collections.abc import Awaitable, Callable
from typing import Any

from structlog.testing import capture_logs

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
