"""The store on SQLAlchemy Core, the same on SQLite and on PostgreSQL."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection

from notifier.errors import SlowError
from notifier.incident import Phase
from notifier.incident.planner import Plan, Planner
from notifier.store import digests, letters, outbox, queries, retention
from notifier.store.accepting import Accepting
from notifier.store.base import (
    ANYTHING,
    COMMIT_SECONDS,
    Allowance,
    Backlog,
    ChannelState,
    Claim,
    Dead,
    DeadLetter,
    IncidentView,
    Ingest,
    Lease,
    Refused,
    Settlement,
)
from notifier.store.database import Database, open_database
from notifier.store.group_commit import Bounds, Line, as_store_error
from notifier.store.instants import to_micros

R = TypeVar("R")
# bytes of webhooks that may wait for a commit: four of the largest by default
HEAVIEST_LINE = 64 * 1024 * 1024


class SqlStore:
    """Keeps the promises of :class:`notifier.store.base.Store`.

    Args:
        database: where.
        planner: decides what a webhook does.
        waiting_line: how many webhooks may wait for a commit.
    """

    def __init__(self, database: Database, planner: Planner, waiting_line: int) -> None:
        self._database = database
        self._closed = False
        self._step = Accepting(planner, database.dialect)
        self._accepting: Line[Ingest, Plan] = Line(
            database.write,
            self._step,
            _bounds(waiting_line),
            lambda ingest: len(ingest.body),
        )
        self._calls: Line[Callable[[Connection], Any], Any] = Line(database.write, _apply)

    @property
    def shared(self) -> bool:
        """Whether other processes may work on the same rows."""
        return self._database.shared

    def replan(self, planner: Planner) -> None:
        """Decide by other rules from the next webhook on."""
        self._step.planner = planner

    def bound(self, waiting_line: int) -> None:
        """Let so many webhooks wait for a commit from now on."""
        self._accepting.bounds = _bounds(waiting_line)

    @property
    def waiting(self) -> int:
        """How many webhooks wait for a commit."""
        return self._accepting.length

    async def accept(self, ingest: Ingest) -> Plan:
        """Commit a webhook: the step of its incident and the rows of the outbox, as one."""
        try:
            return await self._accepting.put(ingest)
        except TimeoutError:
            raise SlowError("the database takes too long to commit") from None

    async def claim(
        self, channel: str, lease: Lease, allowance: Allowance = ANYTHING
    ) -> Claim | None:
        """Lease the most urgent row of a channel that is due and allowed, or None."""
        return await self._write(lambda c: outbox.claim(c, channel, lease, allowance))

    async def settle(
        self,
        claim: Claim,
        settlement: Settlement,
        now: datetime,
        refused: Refused | None = None,
    ) -> bool:
        """Say what became of a claim; False when the lease has been lost."""

        def work(connection: Connection) -> bool:
            if refused is not None:
                letter = Dead(letters.PAYLOAD_REFUSED, refused.error, refused.payload)
                letters.bury(connection, claim, letter, now)
            return outbox.settle(connection, claim, settlement, now)

        return await self._write(work)

    async def let_go(self, channel: str, owner: str) -> int:
        """End the lease of a claim that failed, and may have been committed all the same."""
        return await self._write(lambda c: outbox.let_go(c, channel, owner))

    async def release(self) -> int:
        """End every lease; only where no other process can hold one."""

        def work(connection: Connection) -> int:
            digests.release(connection)
            return outbox.release(connection)

        return await self._write(work)

    async def hurry(self, channel: str, now: datetime, beyond_seconds: float = 0.0) -> int:
        """Make the rows of a channel due that wait for longer than that; returns how many."""
        return await self._write(lambda c: outbox.hurry(c, channel, now, beyond_seconds))

    async def next_due(self, channel: str) -> datetime | None:
        """When the next row of a channel becomes due; None without any."""
        return await self._read(lambda c: outbox.next_due(c, channel))

    async def incidents(
        self, *, phase: Phase | None = None, limit: int = 100, cursor: str | None = None
    ) -> tuple[Sequence[IncidentView], str | None]:
        """Incidents, the newest first, and the cursor of the next page."""
        return await self._read(lambda c: queries.page(c, phase, limit, cursor))

    async def incident(self, incident_id: str) -> IncidentView | None:
        """One incident."""
        return await self._read(lambda c: queries.one(c, incident_id))

    async def add_ingest_letter(self, reason: str, detail: str, payload: str, now: datetime) -> str:
        """Keep a refused body; returns the id of the letter."""
        return await self._write(lambda c: letters.add_ingest(c, reason, detail, payload, now))

    async def dead_letters(self, limit: int = 1000) -> Sequence[DeadLetter]:
        """Dead letters, the newest first."""
        return await self._read(lambda c: letters.listed(c, limit))

    async def dead_letter(self, letter_id: str) -> DeadLetter | None:
        """One dead letter."""
        return await self._read(lambda c: letters.one(c, letter_id))

    async def drop(self, letter_id: str) -> bool:
        """Remove a dead letter; False when there is none."""
        return await self._write(lambda c: letters.drop(c, letter_id))

    async def replay(self, letter_id: str, now: datetime) -> bool:
        """Let the delivery of a dead letter be tried again; False when there is none."""
        return await self._write(lambda c: letters.replay(c, letter_id, now))

    async def channel_states(self) -> Mapping[str, ChannelState]:
        """The channels that are stopped or paused, by name."""
        return await self._read(queries.channel_states)

    async def stop_channel(self, channel: str, reason: str, now: datetime) -> int:
        """Mark a destination as dead and turn its waiting rows into dead letters."""

        def stop(connection: Connection) -> int:
            known = queries.channel_states(connection).get(channel)
            since = known.since if known and known.stopped else now
            state = ChannelState(channel, stopped=True, reason=reason, since=since, not_before=None)
            queries.put_channel(connection, state)
            return letters.bury_channel(connection, channel, reason, now)

        return await self._write(stop)

    async def resume_channel(self, channel: str, now: datetime) -> int:
        """Mark a destination as alive and let its rows be tried again; returns how many."""

        def resume(connection: Connection) -> int:
            queries.forget_channel(connection, channel)
            return letters.revive_channel(connection, channel, now)

        return await self._write(resume)

    async def pause_channel(self, channel: str, until: datetime, reason: str) -> None:
        """Send nothing to a channel before then."""
        state = ChannelState(channel, stopped=False, reason=reason, since=until, not_before=until)
        await self._write(lambda c: queries.put_channel(c, state))

    async def retire_channels(self, configured: Sequence[str], now: datetime) -> int:
        """Close the rows of channels that are configured no more; returns how many."""
        return await self._write(lambda c: queries.retire(c, configured, now))

    async def backlog(self) -> Backlog:
        """What waits."""
        return await self._read(queries.backlog)

    async def read_meta(self, key: str) -> str | None:
        """A remembered value."""
        return await self._read(lambda c: queries.read_meta(c, key))

    async def write_meta(self, key: str, value: str) -> None:
        """Remember a value."""
        await self._write(lambda c: queries.write_meta(c, key, value))

    async def prune(self, before: datetime, max_bytes: int) -> int:
        """Remove what is over and older, then the oldest beyond the size; returns how many."""
        read = partial(self._read, patiently=True)
        return await retention.prune(read, self._write, to_micros(before), max_bytes)

    async def write(self, work: Callable[[Connection], R]) -> R:
        """Run further work in a committed transaction; for parts that keep their own tables."""
        return await self._write(work)

    async def read(self, work: Callable[[Connection], R]) -> R:
        """Run a further question."""
        return await self._read(work)

    async def close(self) -> None:
        """Commit what waits and let go of the database; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        await asyncio.gather(self._accepting.close(), self._calls.close())
        await self._database.close()

    async def _write(self, work: Callable[[Connection], R]) -> R:
        result: R = await self._calls.put(work)
        return result

    async def _read(self, work: Callable[[Connection], R], *, patiently: bool = False) -> R:
        try:
            return await self._database.read(work, patiently=patiently)
        except Exception as error:
            known = as_store_error(error)
            if known is error:
                raise
            raise known from None


def _bounds(waiting_line: int) -> Bounds:
    return Bounds(waiting_line, HEAVIEST_LINE, COMMIT_SECONDS)


def _apply(connection: Connection, works: Sequence[Callable[[Connection], Any]]) -> Sequence[Any]:
    return [work(connection) for work in works]


async def open_store(url: str, planner: Planner, *, waiting_line: int = 1024) -> SqlStore:
    """Open the store that a database URL names.

    Raises:
        StoreError: it cannot be opened, is in use, or was made by a newer program.
    """
    return SqlStore(await open_database(url), planner, waiting_line)
