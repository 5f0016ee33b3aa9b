"""Which messages want a chart, alike on SQLite and on PostgreSQL."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from notifier.deliver.outcome import Receipt
from notifier.ingest.payload import parse
from notifier.store import Ingest, SqlStore, charts
from notifier.store.base import Claim, Delivered, Later, Lease
from notifier.store.charts import ChartClaim, ChartTask
from notifier.testing.webhooks import Body, alert, encoded, webhook

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
BOTH = ["slack", "discord"]
RECEIPT = Receipt("C1", "123.456")
CHARTED = Receipt("C1", "123.456", "F1")


def later(seconds: float) -> datetime:
    """So many seconds after the start."""
    return NOW + timedelta(seconds=seconds)


def firing(name: str = "A", **more: Any) -> Body:
    """A group of its own with one alert."""
    return webhook(alert(name, starts_at=NOW, **more), group_key=f"group {name}")


def resolved(name: str = "A") -> Body:
    """The end of the same."""
    return webhook(alert(name, starts_at=NOW, ends_at=later(60)), group_key=f"group {name}")


async def accept(store: SqlStore, body: Body, seconds: float = 0) -> None:
    """Commit a webhook at that second."""
    raw = encoded(body)
    await store.accept(Ingest(parse(raw), raw, later(seconds)))


async def claimed(store: SqlStore, channel: str, seconds: float = 0) -> Claim:
    """Claim what is known to be there."""
    found = await store.claim(channel, Lease("worker", later(seconds), 60))
    assert found is not None
    return found


async def deliver(store: SqlStore, *channels: str, seconds: float = 0) -> None:
    """Claim and settle as the workers do."""
    for channel in channels or BOTH:
        found = await claimed(store, channel, seconds)
        revision = found.incident.revision
        done = Delivered(revision, revision, found.receipt or RECEIPT)
        assert await store.settle(found, done, later(seconds))


async def take(store: SqlStore, seconds: float = 0, channels: Any = BOTH) -> ChartTask | None:
    """Take up what is due."""
    return await store.write(lambda c: charts.take(c, channels, later(seconds)))


async def taken(store: SqlStore, seconds: float = 0) -> ChartTask:
    """Take up what is known to be due."""
    found = await take(store, seconds)
    assert found is not None
    return found


async def hold(
    store: SqlStore, task: ChartTask, channel: str = "slack", seconds: float = 0
) -> ChartClaim | None:
    """Lease the message of a task."""
    lease = Lease("charts", later(seconds), 15)
    return await store.write(lambda c: charts.claim(c, task, channel, lease))


async def show(store: SqlStore, task: ChartTask, *channels: str, seconds: float = 0) -> None:
    """Bring the chart of a task into its messages."""
    for channel in channels or task.channels:
        claim = await hold(store, task, channel, seconds)
        assert claim is not None
        assert await shown(store, claim)


async def shown(store: SqlStore, claim: ChartClaim) -> bool:
    """Say that the message shows it."""
    return await store.write(lambda c: charts.shown(c, claim, CHARTED))


async def put_off(store: SqlStore, task: ChartTask, seconds: float) -> None:
    """Try it then."""
    await store.write(lambda c: charts.put_off(c, task, task.channels, later(seconds)))


async def test_a_chart_is_due_once_its_message_is_delivered(store: SqlStore) -> None:
    """Not before, once for all channels, and not again once it is shown."""
    await accept(store, firing())
    assert await take(store) is None
    await deliver(store)
    task = await taken(store)
    assert (task.stage, task.channels) == ("firing", ("discord", "slack"))
    await show(store, task)
    assert await take(store, 3600) is None


async def test_the_next_claim_knows_the_chart(store: SqlStore) -> None:
    """So that the edit keeps it."""
    await accept(store, firing())
    await deliver(store)
    await show(store, await taken(store))
    await accept(store, resolved(), 60)
    assert (await claimed(store, "slack", 60)).receipt == CHARTED


async def test_the_end_wants_a_chart_of_its_own(store: SqlStore) -> None:
    """Whether the first one was shown or not."""
    for name in ("A", "B"):
        await accept(store, firing(name))
    await deliver(store)
    await deliver(store)
    await show(store, await taken(store))
    for name in ("A", "B"):
        await accept(store, resolved(name), 60)
    await deliver(store, seconds=60)
    await deliver(store, seconds=60)
    stages = {(await taken(store, 61)).stage, (await taken(store, 61)).stage}
    assert stages == {"whole:0"}


async def test_news_go_first(store: SqlStore) -> None:
    """A channel with something to say is left alone, at the start and in the middle."""
    await accept(store, firing("A"))
    await deliver(store)
    await accept(store, firing("B"))
    await deliver(store, "slack")
    task = await taken(store)
    assert task.channels == ("slack",)
    await accept(store, firing("C"))
    assert await hold(store, task) is None
    await deliver(store, "slack")
    assert await hold(store, task) is not None


async def test_a_chart_of_the_past_is_not_shown(store: SqlStore) -> None:
    """The incident has ended since it was drawn: the message wants another one."""
    await accept(store, firing())
    await deliver(store)
    task = await taken(store)
    await accept(store, resolved(), 1)
    await deliver(store, seconds=1)
    assert await hold(store, task, seconds=2) is None
    assert (await taken(store, 2)).stage == "whole:0"


async def test_nobody_edits_a_message_while_its_chart_does(store: SqlStore) -> None:
    """The lease keeps news waiting for one edit, and ends by itself when the process dies."""
    await accept(store, firing())
    await deliver(store)
    claim = await hold(store, await taken(store))
    assert claim is not None
    await accept(store, resolved(), 1)
    assert await store.claim("slack", Lease("worker", later(1), 60)) is None
    assert await store.next_due("slack") == later(15)
    late = await claimed(store, "slack", 16)
    assert not await shown(store, claim)
    assert late.receipt == RECEIPT


async def test_what_is_given_back_is_free_at_once(store: SqlStore) -> None:
    """And the chart is due again only later."""
    await accept(store, firing())
    await deliver(store)
    claim = await hold(store, await taken(store))
    assert claim is not None
    await store.write(lambda c: charts.give_back(c, claim))
    await accept(store, resolved(), 1)
    await claimed(store, "slack", 1)


async def test_tries_have_a_bound_and_the_end_begins_anew(store: SqlStore) -> None:
    """A process that dies while it draws is not tried for ever."""
    await accept(store, firing())
    await deliver(store)
    times = [n * (charts.RETRY_SECONDS + 1) for n in range(5)]
    found = [await take(store, seconds) for seconds in times]
    assert [task is not None for task in found] == [True] * charts.TRIES + [False, False]
    await accept(store, resolved(), 400)
    await deliver(store, seconds=400)
    assert await take(store, 400) is not None


async def test_a_bad_moment_is_no_try(store: SqlStore) -> None:
    """Messages went first again and again."""
    await accept(store, firing())
    await deliver(store)
    for second in range(10):
        task = await taken(store, second)
        await put_off(store, task, second + 1)
    assert await take(store, 10) is not None


async def test_what_was_given_up_stays_so(store: SqlStore) -> None:
    """Until the end, which may have its own."""
    await accept(store, firing())
    await deliver(store)
    task = await taken(store)
    await store.write(lambda c: charts.give_up(c, task, ["slack"]))
    again = await taken(store, 61)
    assert again.channels == ("discord",)
    await accept(store, resolved(), 62)
    await deliver(store, seconds=62)
    assert (await taken(store, 62)).channels == ("discord", "slack")


async def test_late_charts_expire_and_are_counted(store: SqlStore) -> None:
    """A picture of ten minutes ago says nothing new; one that failed is not counted twice."""
    await accept(store, firing("A"))
    await deliver(store)

    def expire(connection: Connection) -> dict[str, int]:
        return dict(charts.expire(connection, BOTH, later(charts.STALE_SECONDS)))

    assert await take(store, charts.STALE_SECONDS) is None
    assert await store.write(expire) == {"slack": 1, "discord": 1}
    assert await store.write(expire) == {}


async def test_a_restart_takes_up_what_was_left(store: SqlStore) -> None:
    """Where no other process can be at work."""
    await accept(store, firing())
    await deliver(store)
    await taken(store)
    assert await take(store, 1) is None
    assert await store.write(lambda c: charts.recall(c, later(1))) == 2
    assert await take(store, 1) is not None


async def test_a_message_posted_anew_wants_its_chart_again(store: SqlStore) -> None:
    """The one that showed it is gone."""
    await accept(store, firing())
    await deliver(store)
    await show(store, await taken(store))
    await accept(store, resolved(), 60)
    lost = Later(later(60), "gone", receipt_lost=True)
    await store.settle(await claimed(store, "slack", 60), lost, later(60))
    await deliver(store, seconds=60)
    assert (await taken(store, 60)).channels == ("discord", "slack")


@pytest.mark.parametrize("severity", ["critical", "info"])
async def test_the_most_urgent_is_drawn_first(store: SqlStore, severity: str) -> None:
    """Whatever came first."""
    other = "info" if severity == "critical" else "critical"
    await accept(store, firing("A", severity=severity))
    await accept(store, firing("B", severity=other))
    await deliver(store)
    await deliver(store)
    task = await taken(store)
    assert task.incident.alerts[0].severity == "critical"


async def test_two_processes_do_not_take_up_the_same(make_store: Callable[..., Any]) -> None:
    """On a shared database the second one gets the rest, here nothing."""
    store: SqlStore = await make_store()
    await accept(store, firing())
    await deliver(store)
    other = await make_store() if store.shared else store
    assert await take(store) is not None
    assert await take(other) is None
