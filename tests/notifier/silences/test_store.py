"""What is remembered of silences, alike on SQLite and on PostgreSQL."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from notifier.deliver.outcome import Receipt
from notifier.incident import Incident, Quiet, QuietKind, Reason
from notifier.ingest.payload import parse
from notifier.silences.ends import ReadEnd
from notifier.silences.following import Note
from notifier.silences.links import Action, Signer
from notifier.silences.store import SilenceStore
from notifier.store import Ingest, SqlStore
from notifier.store.base import Delivered, Lease
from notifier.store.search import happenings
from notifier.testing.webhooks import alert, encoded, webhook

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
QUIET = Quiet(QuietKind.SILENCED, "Ana", NOW + timedelta(hours=1), "", "s1", ours=True, since=NOW)


async def opened(store: SqlStore, name: str = "A", seconds: float = 0) -> Incident:
    """An incident that fires."""
    raw = encoded(webhook(alert(name, starts_at=NOW), group_key=name))
    plan = await store.accept(Ingest(parse(raw), raw, NOW + timedelta(seconds=seconds)))
    assert plan.step.incident is not None
    return plan.step.incident


def remembered(store: SqlStore) -> SilenceStore:
    """The silences' part, with one of two channels configured still."""
    return SilenceStore(store, ("slack",))


def quieten(incident: Incident) -> Incident:
    """Held back by Ana."""
    return replace(incident, quiet=QUIET)


async def test_a_changed_incident_is_due_on_its_channels(store: SqlStore) -> None:
    """The message that was delivered is to be edited, without a ring; a retired channel stays."""
    incident = await opened(store)
    for channel in ("slack", "discord"):
        claim = await store.claim(channel, Lease("me", NOW, 60))
        assert claim is not None
        await store.settle(claim, Delivered(1, 1, Receipt("C", "1")), NOW)
    after = await remembered(store).amend(incident.id, quieten, Reason.SILENCED, NOW)
    assert after == replace(incident, quiet=QUIET, revision=2)
    claim = await store.claim("slack", Lease("me", NOW, 60))
    assert claim is not None
    assert claim.incident == after
    assert claim.ring_revision == 1
    assert await store.claim("discord", Lease("me", NOW, 60)) is None
    past = await store.read(lambda c: happenings(c, incident.id))
    assert [each.reasons for each in past] == [("silenced",), ("first", "new_alert")]


async def test_no_change_is_no_revision(store: SqlStore) -> None:
    """A change that decides against itself leaves everything, and so does an unknown incident."""
    incident = await opened(store)
    part = remembered(store)
    assert await part.amend(incident.id, lambda _: None, Reason.SILENCED, NOW) is None
    assert await part.amend("nobody", quieten, Reason.SILENCED, NOW) is None
    assert await part.incident(incident.id) == incident


async def test_webhooks_and_changes_do_not_lose_each_other(store: SqlStore) -> None:
    """Both work on the newest state, whoever comes first."""
    incident = await opened(store)
    part = remembered(store)
    second = encoded(webhook(alert("B", starts_at=NOW), group_key="A"))
    await asyncio.gather(
        *(part.amend(incident.id, quieten, Reason.SILENCED, NOW) for _ in range(5)),
        store.accept(Ingest(parse(second), second, NOW)),
    )
    after = await part.incident(incident.id)
    assert after is not None
    assert after.quiet == QUIET
    assert len(after.alerts) == 2
    assert after.revision == 7


async def test_a_link_is_used_once_even_at_the_same_time(make_store: Callable[..., Any]) -> None:
    """Of ten that come together one is let through; given back, it can be used again."""
    part = remembered(await make_store())
    signer = Signer(await part.key())
    link = signer.read(signer.token(Action.SILENCE, "i", 1, NOW + timedelta(hours=1)), NOW)
    assert not await part.used(link)
    assert sum(await asyncio.gather(*(part.use(link) for _ in range(10)))) == 1
    assert await part.used(link)
    await part.give_back(link)
    assert await part.use(link)
    await part.sweep(NOW + timedelta(hours=2))
    assert not await part.used(link)


async def test_the_key_is_made_once(make_store: Callable[..., Any], database_url: str) -> None:
    """A restart and a second replica sign alike."""
    store = await make_store()
    first = await remembered(store).key()
    if database_url.startswith("postgresql"):
        replicas = [remembered(await make_store()) for _ in range(3)]
        others = await asyncio.gather(*(each.key() for each in replicas))
        assert set(others) == {first}
    assert await remembered(store).key() == first
    assert len(first) == 32


async def test_our_silences_are_remembered_until_they_are_forgotten(store: SqlStore) -> None:
    """A second note of one silence replaces the first."""
    part = remembered(store)
    note = Note("s1", "i", QuietKind.ACKNOWLEDGED)
    await part.note(Note("s1", "i", QuietKind.SILENCED))
    await part.note(note)
    assert await part.notes() == {"s1": note}
    await part.forget("s1")
    assert await part.notes() == {}


async def test_ends_that_were_read_are_remembered(store: SqlStore) -> None:
    """What Alertmanager will not tell has to outlive a restart."""
    part = remembered(store)
    assert await part.read_ends() == ()
    ends = (ReadEnd("i", "chats", "a", NOW), ReadEnd("i", "chats", "b", NOW))
    await part.keep_ends(ends)
    assert await remembered(store).read_ends() == ends


async def test_only_what_fires_is_followed(store: SqlStore) -> None:
    """What has resolved is in no list of Alertmanager."""
    await opened(store, "A")
    fires = await opened(store, "B", 1)
    ended = encoded(webhook(alert("A", starts_at=NOW, ends_at=NOW), group_key="A"))
    await store.accept(Ingest(parse(ended), ended, NOW))
    assert await remembered(store).firing() == [fires]
