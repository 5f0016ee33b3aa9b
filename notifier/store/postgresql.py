"""PostgreSQL behind the calls of ``notifier.store.database``; needs the extra ``postgres``."""

from collections.abc import Callable
from typing import TypeVar

import asyncpg  # noqa: F401 - SQLAlchemy would miss it only when it connects
from sqlalchemy import Connection, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from notifier.errors import StoreError
from notifier.store.migrate import migrate

R = TypeVar("R")


class Postgresql:
    """A server that several replicas share; made by :func:`open_postgresql`."""

    dialect = "postgresql"
    shared = True

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def write(self, work: Callable[[Connection], R]) -> R:
        """Run in one transaction and commit it."""
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)

    async def read(self, work: Callable[[Connection], R]) -> R:
        """Run without writing."""
        async with self._engine.connect() as connection:
            return await connection.run_sync(work)

    async def close(self) -> None:
        """Close the pool."""
        await self._engine.dispose()


# a reader that waits longer for a connection is told that the database does not answer
PATIENCE_SECONDS = 5.0


async def open_postgresql(url: str, patience_seconds: float = PATIENCE_SECONDS) -> Postgresql:
    """Connect and migrate.

    Args:
        url: the database.
        patience_seconds: how long to wait for one of the connections to be free.

    Raises:
        StoreError: the server cannot be reached, or a newer program made the tables.
    """
    target = make_url(url).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(
        target, pool_size=8, max_overflow=4, pool_pre_ping=True, pool_timeout=patience_seconds
    )
    try:
        async with engine.begin() as connection:
            await connection.run_sync(migrate)
    except StoreError:
        await engine.dispose()
        raise
    except (DBAPIError, OSError) as error:
        await engine.dispose()
        shown = target.render_as_string(hide_password=True)
        raise StoreError(f"{shown}: {getattr(error, 'orig', None) or error}") from None
    return Postgresql(engine)
