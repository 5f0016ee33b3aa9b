"""Opens the diary's SQLite file: lock, durable settings, migrations."""

import fcntl
import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from wiltonos_otel.errors import WiltonosError
from wiltonos_service.logs import quiet

# only a backup or a curious shell can hold the file up
BUSY_SECONDS = 1


class LedgerError(WiltonosError):
    """The diary cannot do what was asked; nothing was written."""


class LedgerBusyError(LedgerError):
    """Another process has the diary open."""


def database_file(url: str) -> Path:
    """The file behind a database URL.

    Raises:
        LedgerError: the URL is not that of an SQLite file.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise LedgerError(
            f'[longevity] database = "{url}" is no database URL; write "sqlite:///var/longevity.db"'
        ) from None
    if parsed.get_backend_name() != "sqlite" or parsed.database in (None, "", ":memory:"):
        raise LedgerError(
            f'[longevity] database = "{parsed.render_as_string()}" is no SQLite file; '
            'write "sqlite:///var/longevity.db"'
        )
    return Path(str(parsed.database))


class Lock:
    """Keeps other processes from one diary, as long as this one holds it.

    Args:
        database: the file; the lock lies beside it.

    Raises:
        LedgerBusyError: another process holds it; the text says which.
        LedgerError: the directory cannot be made or written.
    """

    def __init__(self, database: Path) -> None:
        path = database.with_name(f"{database.name}.lock")
        try:
            database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LedgerError(f"{path}: {error.strerror}; give a directory to write in") from None
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._handle, 32, 0).decode("ascii", "replace").strip()
            os.close(self._handle)
            raise LedgerBusyError(
                f"{database} is in use by process {holder or 'unknown'}; stop it, or give its "
                "address as [longevity] listen so that it can be asked"
            ) from None
        os.truncate(self._handle, 0)
        os.pwrite(self._handle, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let others in. The file stays: removing it would let two processes lock two files."""
        os.close(self._handle)


def open_engine(database: Path) -> Engine:
    """An engine on the file, its tables at the newest revision. Health data: mode 0600.

    Raises:
        LedgerError: the file is no diary, of a newer version, or cannot be opened.
    """
    with suppress(FileExistsError, OSError):
        os.close(os.open(database, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    engine = create_engine(f"sqlite:///{database}")
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    try:
        with engine.begin() as connection:
            _migrate(connection)
    except CommandError:
        engine.dispose()
        raise LedgerError(
            f"{database} was written by a newer version of this program; install that version"
        ) from None
    except DBAPIError as error:
        engine.dispose()
        raise LedgerError(f"{database} cannot be opened: {error.orig}") from None
    return engine


def _configure(connection: sqlite3.Connection, _record: Any) -> None:
    # the driver would begin transactions late and commit before DDL; _begin does it in time
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout = {BUSY_SECONDS * 1000}",
        "journal_mode = WAL",
        # FULL: what was answered survives a power cut (https://www.sqlite.org/pragma.html)
        "synchronous = FULL",
        "foreign_keys = ON",
        "trusted_schema = OFF",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _migrate(connection: Connection) -> None:
    quiet(["alembic"])
    config = Config()
    config.set_main_option("script_location", "wiltonos_otel.longevity:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
