"""A database whose file is taken away under the service."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from notifier.store.place import Place
from notifier.testing.webhooks import alert, webhook


async def test_a_database_that_is_taken_away_is_said_though_alerts_go_on(
    start: Callable[..., Any], texts: dict[str, str]
) -> None:
    """SQLite goes on in a file without a name; all of it would be gone at the next start."""
    run = await start(texts["slack"])
    await run.post(webhook(alert("A"), group_key="a"))
    await run.delivered()
    assert (await run.get("/-/ready"))["degraded"] == []
    assert await run.service._unwell() == ""
    (run.directory / "notifier.db").unlink()
    (said,) = (await run.get("/-/ready"))["degraded"]
    assert "notifier.db was removed or replaced while in use" in said
    assert await run.service._unwell() == said, "nobody outside hears that all is well"
    await run.post(webhook(alert("B"), group_key="b"))
    await run.delivered(2)
    assert len(run.slack_messages()) == 2


def test_another_file_in_its_place_is_another_database(tmp_path: Path) -> None:
    """A backup that was put back, for example."""
    file, other = tmp_path / "notifier.db", tmp_path / "backup.db"
    file.touch()
    other.touch()
    place = Place(f"sqlite:///{file}")
    assert place.problem() == ""
    other.replace(file)
    assert "replaced" in place.problem()


def test_what_is_no_file_has_no_place_to_lose() -> None:
    """PostgreSQL minds its own files."""
    assert Place("postgresql://host/name").problem() == ""
