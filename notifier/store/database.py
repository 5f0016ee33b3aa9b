"""The two databases behind one pair of calls: write in a transaction, read."""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import StaticPool

from notifier.errors import StoreError
from notifier.store.lock import FileLock
from notifier.store.migrate import migrate
from wiltonos_service.errors import MissingExtraError

R = TypeVar("R")
BUSY_TIMEOUT_MILLISECONDS = 5000
# after how many commits, and how often at most, the log is written back beside the writer; the
# writer does it itself only when the log gets longer than so many pages all the same
COMMITS_PER_CHECKPOINT = 16
CHECKPOINT_SECONDS = 0.1
LONGEST_LOG_PAGES = 4000


class Database(Protocol):
    """Runs functions on connections; functions know SQLAlchemy Core and nothing of threads."""

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        ...

    @property
    def shared(self) -> bool:
        """Whether other processes may work on the same rows."""
        ...

    async def write(self, work: Callable[[Connection], R]) -> R:
        """Run in one transaction and commit it."""
        ...

    async def read(self, work: Callable[[Connection], R], *, patiently: bool = False) -> R:
        """Run without writing; ``patiently`` is for what may take a minute."""
        ...

    async def close(self) -> None:
        """Let go of every connection."""
        ...


class Sqlite:
    """One file and one thread each that writes, reads and checkpoints; durable across power loss.

    Args:
        path: the file; it and its directory are made when missing.

    Raises:
        StoreError: another process uses it, it cannot be opened, or a newer program made it.
    """

    dialect = "sqlite"
    shared = False

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(path)
        self._writer = _Thread("writer", path, "IMMEDIATE")
        self._reader = _Thread("reader", path, "DEFERRED")
        self._checkpoints = _Checkpoints(path)
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._writer.transact(migrate)
        except (OSError, DBAPIError) as error:
            self._give_up()
            reason = getattr(error, "orig", None) or error
            raise StoreError(f"{path}: {reason}; set another [notifier] database") from None
        except StoreError:
            self._give_up()
            raise

    def _give_up(self) -> None:
        self._writer.let_go()
        self._lock.release()

    async def write(self, work: Callable[[Connection], R]) -> R:
        """Run in one transaction and commit it."""
        result = await self._writer.run(work)
        self._checkpoints.committed()
        return result

    async def read(self, work: Callable[[Connection], R], *, patiently: bool = False) -> R:  # noqa: ARG002 - a file answers
        """Run on a snapshot, beside the writer."""
        return await self._reader.run(work)

    async def close(self) -> None:
        """Close the connections and give the file free."""
        await self._reader.close()
        await self._checkpoints.close()
        await self._writer.close()
        self._lock.release()


class _Thread:
    """One thread with one connection, which it keeps: taking one anew is a tenth of a short commit.

    Args:
        name: of the thread.
        path: the file.
        begin: how a transaction begins.
    """

    def __init__(self, name: str, path: Path, begin: str) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=f"notifier-{name}")
        self._engine = _sqlite_engine(path, begin)
        self._connection: Connection | None = None

    def transact(self, work: Callable[[Connection], R]) -> R:
        """Run it in one transaction; only one thread may."""
        connection = self._connection
        if connection is None or connection.closed or connection.invalidated:
            connection = self._connection = self._engine.connect()
        with connection.begin():
            return work(connection)

    async def run(self, work: Callable[[Connection], R]) -> R:
        """Run it in one transaction, in the thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self.transact, work)

    def let_go(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
        self._engine.dispose()

    async def close(self) -> None:
        """Close the connection and end the thread."""
        await asyncio.get_running_loop().run_in_executor(self._pool, self.let_go)
        self._pool.shutdown()


class _Checkpoints:
    """Writes the log of commits back into the file, beside the writer.

    SQLite by itself does so within a commit, every thousand pages, for which all wait who wait for
    that commit: a third of the time of commits under load.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="notifier-checkpoint")
        self._connection: sqlite3.Connection | None = None
        self._commits = 0
        self._not_before = 0.0
        self._running: asyncio.Future[None] | None = None

    def committed(self) -> None:
        """Something was committed."""
        self._commits += 1
        if self._commits < COMMITS_PER_CHECKPOINT:
            return
        loop = asyncio.get_running_loop()
        if loop.time() < self._not_before or (self._running and not self._running.done()):
            return
        self._commits = 0
        self._not_before = loop.time() + CHECKPOINT_SECONDS
        self._running = loop.run_in_executor(self._pool, self._checkpoint)

    def _checkpoint(self) -> None:
        # what goes wrong here goes wrong for the writer as well, which says so
        with suppress(sqlite3.Error):
            if self._connection is None:
                self._connection = sqlite3.connect(self._path, check_same_thread=False)
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    async def close(self) -> None:
        """Let the one that runs end, and close the connection."""
        if self._running:
            await self._running
        if self._connection is not None:
            self._connection.close()
        self._pool.shutdown()


def _sqlite_engine(path: Path, begin: str) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=StaticPool,
        connect_args={"check_same_thread": False, "isolation_level": None},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MILLISECONDS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "temp_store=MEMORY",
            f"wal_autocheckpoint={LONGEST_LOG_PAGES}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        # sqlite3 would begin by itself, later than the first SELECT
        connection.exec_driver_sql(f"BEGIN {begin}")

    return engine


async def open_database(url: str) -> Database:
    """Open the database that a URL names.

    Raises:
        StoreError: the URL is none of ``sqlite:///path`` and ``postgresql://…``, or it fails.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError("[notifier] database is no URL; the form is sqlite:///path") from None
    backend = parsed.get_backend_name()
    if backend == "sqlite" and parsed.database not in (None, "", ":memory:"):
        return await asyncio.to_thread(Sqlite, Path(str(parsed.database)))
    if backend in ("postgresql", "postgres"):
        return await _open_postgresql(url)
    raise StoreError("[notifier] database must be sqlite:///path or postgresql://host/name")


async def _open_postgresql(url: str) -> Database:
    try:
        # the driver, and what SQLAlchemy needs to wait for it, are an extra
        from notifier.store.postgresql import open_postgresql  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError("postgres", error.name or "asyncpg") from None
    return await open_postgresql(url)
