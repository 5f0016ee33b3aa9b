"""What the store says while its database does not answer."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from notifier.errors import SlowError
from notifier.incident.planner import Planner
from notifier.ingest.payload import parse
from notifier.store import Ingest, SqlStore, sql
from notifier.store.database import open_database
from notifier.testing.webhooks import alert, encoded, webhook

BODY = encoded(webhook(alert()))


async def test_a_commit_that_takes_too_long_is_an_error_of_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever takes something in knows those; it is committed all the same."""
    monkeypatch.setattr(sql, "COMMIT_SECONDS", 0.001)
    database = await open_database(f"sqlite:///{tmp_path}/notifier.db")
    answers, write = asyncio.Event(), database.write

    async def slowly(work: Callable[..., Any]) -> Any:
        await answers.wait()
        return await write(work)

    monkeypatch.setattr(database, "write", slowly)
    store = SqlStore(database, Planner(), waiting_line=8)
    with pytest.raises(SlowError):
        await store.accept(Ingest(parse(BODY), BODY, datetime(2026, 1, 1, tzinfo=UTC)))
    answers.set()
    await store.write_meta("key", "value")
    incidents, _ = await store.incidents()
    assert len(incidents) == 1
    await store.close()
