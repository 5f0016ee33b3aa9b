"""PostgreSQL behind the calls of ``notifier.store.database``; needs the extra ``postgres``."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import Connection, Engine, event, make_url, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from notifier.beside import LoopBeside
from notifier.errors import AwayError, StoreError
from notifier.store.migrate import migrate
from notifier.store.watched import BYTES_PER_SECOND, Connecting, Patience, Watched

R = TypeVar("R")
PATIENCE = Patience()
# after a failover it may be the server that was left
_READ_ONLY = "25006"
# classes of SQLSTATE: resources, operator, system; and a lock that others hold
_REFUSALS = ("53", "57", "58", "55P03", _READ_ONLY)
# what the driver says when a connection ends while SQLAlchemy prepares it
_LOST = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)


class Postgresql:
    """A server that several replicas share; made by :func:`open_postgresql`.

    Attributes:
        beside: where its connections live.
    """

    dialect = "postgresql"
    shared = True

    def __init__(self, engine: AsyncEngine, patience: Patience) -> None:
        self._engine = engine
        self._patience = patience
        # the driver does the work where it waits: documents of many alerts take seconds
        self.beside = LoopBeside("notifier-postgresql")

    async def write(self, work: Callable[[Connection], R]) -> R:
        """Run in one transaction and commit it."""
        return await self.beside.run(self._write(work))

    async def read(self, work: Callable[[Connection], R], *, patiently: bool = False) -> R:
        """Run without writing."""
        return await self.beside.run(self._read(work, patiently=patiently))

    async def migrate(self) -> None:
        """Bring the tables up to date.

        Raises:
            StoreError: the server is away, or a newer program made the tables.
        """
        await self.beside.run(self._migrate())

    async def close(self) -> None:
        """Close the pool, and end what is under way."""
        await self.beside.end(self._engine.dispose())

    async def _write(self, work: Callable[[Connection], R]) -> R:
        async with self._connected() as (connection, _), connection.begin():
            return await connection.run_sync(work)

    async def _read(self, work: Callable[[Connection], R], *, patiently: bool) -> R:
        async with self._connected() as (connection, watched):
            if patiently:
                # the server's own bound comes first
                watched.bound = self._patience.long + self._patience.answer
            return await connection.run_sync(work)

    async def _migrate(self) -> None:
        async with self._connected() as (connection, watched), connection.begin():
            watched.bound = self._patience.migration
            for bound in ("lock_timeout", "statement_timeout"):
                await connection.execute(text(f"SET LOCAL {bound} = 0"))
            await connection.run_sync(migrate)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[AsyncConnection, Watched]]:
        watched: Watched | None = None
        try:
            async with self._engine.connect() as connection:
                watched = _watched(await connection.get_raw_connection())
                yield connection, watched
        except (DBAPIError, *_LOST) as error:
            if watched is not None and watched.silent:
                silence = f"the database has not answered for {watched.bound:g} s"
                raise AwayError(silence) from error
            if why := _away(error):
                raise AwayError(f"{why}: {_said(error)}") from error
            raise


def _watched(connection: Any) -> Watched:
    found: Watched = connection.driver_connection
    return found


def _said(error: Exception) -> object:
    return getattr(error, "orig", None) or error


def _away(error: Exception) -> str:
    """What is wrong with the database; "" where what was asked of it is at fault."""
    original = getattr(error, "orig", None)
    if str(getattr(original, "sqlstate", None) or "").startswith(_REFUSALS):
        return "the database refuses"
    lost = not isinstance(error, DBAPIError) or error.connection_invalidated
    return "the connection to the database was lost" if lost else ""


async def open_postgresql(url: str, patience: Patience | None = None) -> Postgresql:
    """Connect and migrate.

    Args:
        url: the database.
        patience: how long to wait for what.

    Raises:
        StoreError: the server cannot be reached, or a newer program made the tables.
    """
    patience = patience or PATIENCE
    target = make_url(url).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(
        target,
        pool_size=8,
        max_overflow=4,
        pool_timeout=patience.free,
        connect_args={"async_creator_fn": Connecting(patience)},
    )
    _Bounds(patience).watch(engine.sync_engine)
    database = Postgresql(engine, patience)
    try:
        await database.migrate()
    except BaseException as error:
        await database.close()
        if not isinstance(error, AwayError | DBAPIError):
            raise
        shown = target.render_as_string(hide_password=True)
        raise StoreError(f"{shown}: {_said(error)}") from None
    return database


class _Bounds:
    """Gives every wait for a server its bound.

    Args:
        patience: how long for what.
    """

    def __init__(self, patience: Patience) -> None:
        self._patience = patience

    def watch(self, engine: Engine) -> None:
        """Hear of what its connections wait for."""
        event.listen(engine, "checkout", self._taken)
        event.listen(engine, "checkin", self._returned)
        event.listen(engine, "before_cursor_execute", self._asked)
        event.listen(engine, "commit", self._ending)
        event.listen(engine, "rollback", self._ending)
        event.listen(engine, "handle_error", _refused)

    def _taken(self, adapted: Any, _record: Any, _proxy: Any) -> None:
        watched = _watched(adapted)
        if watched.is_closed() or not self._lives(adapted, watched):
            # the others went the same way, as far as anybody knows
            raise InvalidatePoolError
        watched.bound = self._patience.answer
        watched.expect(watched.bound)

    def _lives(self, adapted: Any, watched: Watched) -> bool:
        idle = asyncio.get_running_loop().time() - watched.used_at
        if idle < self._patience.fresh:
            return True
        watched.expect(self._patience.ping)
        try:
            adapted.run_async(_ping)
        except _LOST:
            return False
        return True

    def _returned(self, adapted: Any, _record: Any) -> None:
        # None is one that was thrown away
        if adapted is not None:
            _watched(adapted).rest()

    def _asked(
        self, connection: Connection, _cursor: Any, _statement: str, given: Any, *_: Any
    ) -> None:
        watched = _watched(connection.connection)
        watched.expect(watched.bound + _size(given) / BYTES_PER_SECOND)

    def _ending(self, connection: Connection) -> None:
        if not connection.invalidated:
            watched = _watched(connection.connection)
            watched.expect(watched.bound)


def _refused(context: ExceptionContext) -> None:
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True


async def _ping(connection: Watched) -> None:
    await connection.execute("SELECT 1")


def _size(given: Any) -> int:
    """Bytes of the texts that a statement takes along, as far as they matter."""
    return sum(len(each) for each in given if isinstance(each, str)) if given else 0
