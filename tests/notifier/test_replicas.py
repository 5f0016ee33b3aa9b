"""Several notifiers on one PostgreSQL: they share the work, and one of them may die."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from notifier.deliver.outcome import Receipt
from notifier.deliver.protocol import Operation
from notifier.incident import Phase
from notifier.incident.planner import Plan
from notifier.ingest.payload import parse
from notifier.store import Ingest, SqlStore
from notifier.store.base import Delivered, Doubt, Lease
from notifier.testing.webhooks import Body, alert, encoded, webhook

pytestmark = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 1, 1, 0, 5, tzinfo=UTC)
COUNT = 8


def group(number: int, *names: str, over: bool = False) -> Body:
    """A group with these alerts."""
    ends_at = END if over else None
    alerts = [alert(name, starts_at=START, ends_at=ends_at) for name in names or ("A",)]
    return webhook(*alerts, group_key=f"group {number}")


async def accept(store: SqlStore, body: Body) -> Plan:
    """Commit a webhook."""
    raw = encoded(body)
    return await store.accept(Ingest(parse(raw), raw, START))


async def test_two_replicas_step_one_incident_one_after_the_other(
    make_store: Callable[..., Any],
) -> None:
    """Alerts that reach both at the same moment end in one incident that knows them all."""
    first, second = await make_store(), await make_store()
    names = [f"A{number}" for number in range(20)]
    await asyncio.gather(
        *(accept(store, group(1, name)) for name in names for store in (first, second))
    )
    (view,), _ = await first.incidents()
    assert {each.name for each in view.incident.firing} == set(names)
    assert view.incident.revision == len(names)


async def test_two_replicas_never_claim_the_same_row(make_store: Callable[..., Any]) -> None:
    """Every row is claimed once, by whoever comes first."""
    stores = [await make_store(), await make_store()]
    for number in range(COUNT):
        await accept(stores[0], group(number))
    claims = await asyncio.gather(
        *(
            stores[number % 2].claim("slack", Lease(f"r{number}", START, 60))
            for number in range(2 * COUNT)
        )
    )
    found = [claim.incident.key for claim in claims if claim is not None]
    assert sorted(found) == [f"group {number}" for number in range(COUNT)]


async def test_what_a_dead_replica_had_under_way_is_taken_over(
    make_store: Callable[..., Any],
) -> None:
    """After its lease another one goes on, and knows that the message may have arrived."""
    dead, alive = await make_store(), await make_store()
    await accept(dead, group(1))
    assert await dead.claim("slack", Lease("dead", START, 0.5)) is not None
    claim = await alive.claim("slack", Lease("alive", END, 60))
    assert claim is not None
    assert claim.doubt == Doubt(Operation.POST, 1)
    late = replace(claim, owner="dead")
    assert not await dead.settle(late, Delivered(1, 1, Receipt("C", "1")), END)


async def test_two_services_share_one_inbox(
    start: Callable[..., Any], database_url: str, texts: dict[str, str]
) -> None:
    """Webhooks go to either; each incident has one message, edited to its end."""
    one = await start(texts["slack"], database=database_url)
    two = await start(texts["slack"], database=database_url)
    assert one.service.store.shared
    runs = (one, two)
    await asyncio.gather(*(runs[n % 2].post(group(n)) for n in range(COUNT)))
    await asyncio.gather(*(runs[1 - n % 2].post(group(n, over=True)) for n in range(COUNT)))
    await two.delivered(COUNT)
    assert len(one.slack_messages()) == COUNT
    assert all("Resolved" in message.text for message in one.slack_messages())
    views, _ = await one.service.store.incidents()
    assert {view.incident.phase for view in views} == {Phase.RESOLVED}
