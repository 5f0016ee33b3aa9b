"""What the inbox asks of both databases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from notifier.incident import Phase, Quiet, QuietKind, Reason
from notifier.ingest.payload import parse
from notifier.silences.store import SilenceStore
from notifier.store import Ingest, SqlStore
from notifier.store.search import Cursor, Wanted, search
from notifier.testing.webhooks import alert, encoded, webhook

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def opened(store: SqlStore, name: str, seconds: float, severity: str = "warning") -> str:
    """The id of an incident that fires."""
    raw = encoded(webhook(alert(name, starts_at=NOW, severity=severity), group_key=name))
    plan = await store.accept(Ingest(parse(raw), raw, NOW + timedelta(seconds=seconds)))
    assert plan.step.incident is not None
    return plan.step.incident.id


async def searched(
    store: SqlStore, wanted: Wanted, limit: int = 50, cursor: Cursor | None = None
) -> tuple[list[str], Cursor | None]:
    """The names of what is found, and where to go on."""
    views, following = await store.read(lambda c: search(c, wanted, limit, cursor))
    return [view.incident.alerts[0].name for view in views], following


async def paged(store: SqlStore, wanted: Wanted, limit: int) -> list[str]:
    """What all pages show; the cursors travel as text."""
    found, cursor = await searched(store, wanted, limit)
    while cursor is not None:
        assert Cursor.parse(str(cursor)) == cursor
        more, cursor = await searched(store, wanted, limit, cursor)
        found += more
    return found


async def test_search_goes_through_pages(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every incident is found once, the newest first."""
    names = [f"Needle{number}" for number in range(7)]
    for number, name in enumerate(names):
        await opened(store, name, number)
    for most_sorted, limit in product((2, 500), (1, 2, 3, 7, 50)):
        monkeypatch.setattr("notifier.store.search.MOST_SORTED", most_sorted)
        assert await paged(store, Wanted(), limit) == names[::-1]


async def test_what_needs_somebody_comes_first(store: SqlStore) -> None:
    """What fires before what is over; of that what nobody has taken on; of that the worst."""
    severities = {"Taken": "critical", "Bad": "critical", "Fair": "warning", "Note": "info"}
    made = {
        name: await opened(store, name, number, severity=severity)
        for number, (name, severity) in enumerate(severities.items())
    }
    for name in ("Over", "OverToo"):
        await opened(store, name, 9)
        ended = encoded(webhook(alert(name, starts_at=NOW, ends_at=NOW), group_key=name))
        await store.accept(Ingest(parse(ended), ended, NOW))
    until = NOW + timedelta(hours=1)
    quiet = Quiet(QuietKind.ACKNOWLEDGED, "Ana", until, "", "s1", ours=True, since=NOW)
    await SilenceStore(store, ()).amend(
        made["Taken"], lambda each: replace(each, quiet=quiet), Reason.ACKNOWLEDGED, NOW
    )
    order = ["Bad", "Fair", "Note", "Taken", "OverToo", "Over"]
    for limit in (1, 2, 4, 50):
        assert await paged(store, Wanted(), limit) == order
        assert await paged(store, Wanted(Phase.FIRING), limit) == order[:4]
        assert await paged(store, Wanted(Phase.RESOLVED), limit) == order[4:]


@pytest.mark.parametrize(
    ("text", "count"),
    [("alertname=Needle3", 1), ("NEEDLE3", 1), ("needle", 7), ("%", 0), ("_", 0), ('"', 0)],
)
async def test_words_are_looked_for_as_they_are_written(
    store: SqlStore, text: str, count: int
) -> None:
    """In any case of letters, and without meaning more than they say."""
    for number in range(7):
        await opened(store, f"Needle{number}", number)
    assert len((await searched(store, Wanted(text=text)))[0]) == count
    assert await searched(store, Wanted(Phase.RESOLVED)) == ([], None)
