"""Opening the database: the lock, the migrations, and what is refused."""

import asyncio
import sqlite3
import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from notifier.errors import StoreError
from notifier.incident.planner import Planner
from notifier.store import SqlStore, open_store
from notifier.store.database import open_database
from notifier.store.migrate import migrate
from notifier.store.tables import metadata

VERSION = "SELECT version_num FROM alembic_version"
SET_VERSION = "UPDATE alembic_version SET version_num = :version"


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
async def test_migrations_and_tables_agree(database_url: str) -> None:
    """What the migrations make is what the program reads and writes."""
    database = await open_database(database_url)

    def compared(_object: object, name: str | None, *_more: object) -> bool:
        # made of expressions; that it serves is tested with the store
        return name != "outbox_by_turn"

    def differences(connection: Connection) -> list[object]:
        options = {"compare_type": True, "include_object": compared}
        context = MigrationContext.configure(connection, opts=options)
        found: list[object] = compare_metadata(context, metadata)
        return found

    try:
        assert await database.read(differences) == []
    finally:
        await database.close()


async def test_a_database_of_a_newer_program_is_refused(database_url: str) -> None:
    """The error says which revision was found and what to do; nothing is changed."""
    database = await open_database(database_url)
    version = await database.read(lambda c: str(c.execute(text(VERSION)).scalar_one()))
    try:
        await database.write(lambda c: c.execute(text(SET_VERSION), {"version": "9"}))
        with pytest.raises(StoreError, match=r"newer notifier \(revision 9\); upgrade"):
            # SQLite's lock would be the first to refuse
            await database.write(migrate)
    finally:
        # the server is shared with the tests that follow
        await database.write(lambda c: c.execute(text(SET_VERSION), {"version": version}))
        await database.close()


async def test_connections_that_are_all_busy_are_an_answer(postgresql: str) -> None:
    """A server that hangs is a database that is away, for readers and for writers."""
    pytest.importorskip("asyncpg")
    from notifier.store.postgresql import open_postgresql  # noqa: PLC0415 - an optional extra
    from notifier.store.watched import Patience  # noqa: PLC0415

    database = await open_postgresql(f"{postgresql}/postgres", Patience(free=0.1))
    store = SqlStore(database, Planner(), waiting_line=1)
    held = [asyncio.create_task(database.read(_sleep)) for _ in range(12)]
    try:
        with pytest.raises(StoreError, match="all connections are busy"):
            await _read_for_ever(store)
        with pytest.raises(StoreError, match="all connections are busy"):
            await store.write_meta("x", "y")
    finally:
        await asyncio.gather(*held)
        await store.close()


async def _read_for_ever(store: SqlStore) -> None:
    while True:
        await store.read_meta("x")


def _sleep(connection: Connection) -> None:
    connection.execute(text("SELECT pg_sleep(2)"))


async def test_a_second_process_on_one_file_is_refused(tmp_path: Path) -> None:
    """The error names the file, the process that has it, and the way out."""
    url = f"sqlite:///{tmp_path}/notifier.db"
    first = await open_store(url, Planner())
    with pytest.raises(StoreError, match=r"notifier\.db is in use by another notifier \(process"):
        await open_store(url, Planner())
    await first.close()
    second = await open_store(url, Planner())
    await second.close()


async def test_the_file_is_durable_and_private(tmp_path: Path) -> None:
    """WAL with full synchronisation; nobody else on the machine reads alerts."""
    path = tmp_path / "var" / "notifier.db"
    database = await open_database(f"sqlite:///{path}")
    try:
        modes = await database.write(
            lambda c: [
                c.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "busy_timeout")
            ]
        )
        assert modes == ["wal", 2, 5000]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        await database.close()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("notifier.db", "no URL"),
        ("sqlite://", "must be sqlite:///path or postgresql"),
        ("sqlite:///:memory:", "must be sqlite:///path or postgresql"),
        ("mysql://host/name", "must be sqlite:///path or postgresql"),
        ("postgresql://me:hidden@127.0.0.1:1/notifier", r"127\.0\.0\.1:1/notifier"),
    ],
)
async def test_a_database_that_cannot_be_used_is_one_line(url: str, message: str) -> None:
    """The error says what is wrong, and never the password."""
    with pytest.raises(StoreError, match=message) as caught:
        await open_database(url)
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    """Somebody named the wrong file: it stays as it was."""
    path = tmp_path / "notes.txt"
    path.write_text("no database, but long enough to be looked at" * 100)
    with pytest.raises(StoreError, match="not a database"):
        await open_database(f"sqlite:///{path}")
    assert path.read_text().startswith("no database")


async def test_a_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """The error names the lock file and the fix."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="make the directory writable"):
        await open_database(f"sqlite:///{tmp_path}/file/notifier.db")


async def test_a_lock_of_a_dead_process_is_no_obstacle(tmp_path: Path) -> None:
    """The lock lives as long as the process, not as long as its file."""
    (tmp_path / "notifier.db.lock").write_text("99999\n")
    store = await open_store(f"sqlite:///{tmp_path}/notifier.db", Planner())
    await store.close()
    with sqlite3.connect(tmp_path / "notifier.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
