"""Keeps the database bounded, by age and by size; what still fires or waits always stays.

What has to go is looked for beside the writer, which only removes it: no webhook waits behind a
scan of the whole database.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar

from sqlalchemy import Connection, Select, delete, func, select

from notifier.incident import Phase
from notifier.store.base import RowState
from notifier.store.tables import dead_letters, history, incidents, outbox

R = TypeVar("R")
# rows per transaction, so that no webhook waits long behind the broom
BATCH = 500
_DOCUMENTS = (incidents, history, dead_letters)


class Run(Protocol):
    """Runs a function on a connection."""

    def __call__(self, work: Callable[[Connection], R], /) -> Awaitable[R]:
        """Its result."""
        ...


class Gone(NamedTuple):
    """What a transaction has removed."""

    incidents: int
    size: int


async def prune(read: Run, write: Run, before: int, max_bytes: int) -> int:
    """Remove what ended before the instant, then the oldest beyond the size; returns how many."""
    removed = 0
    while ended := await read(lambda c: _ended(c, before)):
        gone = await write(partial(_remove, ids=ended))
        removed += gone.incidents
        if not gone.incidents:
            # they came back to life meanwhile
            break
    while old := await read(lambda c: _old_bodies(c, before)):
        await write(partial(_forget, ids=old))
    letters = dead_letters.c.created_at < before
    removed += await write(lambda c: c.execute(delete(dead_letters).where(letters)).rowcount)
    excess = await read(stored_bytes) - max_bytes
    while excess > 0 and (oldest := await read(_ended)):
        gone = await write(partial(_remove, ids=oldest))
        removed, excess = removed + gone.incidents, excess - gone.size
        if not gone.incidents:
            break
    return removed


def stored_bytes(connection: Connection) -> int:
    """Characters of all documents, bodies and payloads."""
    return sum(_size(connection, select(func.sum(table.c.size))) for table in _DOCUMENTS)


def _ended(connection: Connection, before: int | None = None) -> Sequence[str]:
    """Up to ``BATCH`` incidents that are over, the oldest first."""
    query = _over().order_by(incidents.c.updated_at).limit(BATCH)
    if before is not None:
        query = query.where(incidents.c.updated_at < before)
    return list(connection.execute(query).scalars())


def _old_bodies(connection: Connection, before: int) -> Sequence[str]:
    query = select(history.c.id).where(history.c.received_at < before).limit(BATCH)
    return list(connection.execute(query).scalars())


def _forget(connection: Connection, ids: Sequence[str]) -> None:
    connection.execute(delete(history).where(history.c.id.in_(ids)))


def _over() -> Select[Any]:
    waiting = select(outbox.c.incident_id).where(outbox.c.state == RowState.PENDING.value)
    return (
        select(incidents.c.id)
        .where(incidents.c.phase == Phase.RESOLVED.value)
        .where(incidents.c.id.not_in(waiting))
    )


def _remove(connection: Connection, ids: Sequence[str]) -> Gone:
    """Remove those of the incidents that are over still."""
    live = select(outbox.c.incident_id).where(
        outbox.c.incident_id.in_(ids), outbox.c.state == RowState.PENDING.value
    )
    over = list(
        connection.execute(
            select(incidents.c.id)
            .where(incidents.c.id.in_(ids), incidents.c.phase == Phase.RESOLVED.value)
            .where(incidents.c.id.not_in(live))
        ).scalars()
    )
    owners = (incidents.c.id, history.c.incident_id, dead_letters.c.incident_id)
    size = sum(
        _size(connection, select(func.sum(table.c.size)).where(owner.in_(over)))
        for table, owner in zip(_DOCUMENTS, owners, strict=True)
    )
    for owner in (outbox.c.incident_id, *owners):
        connection.execute(delete(owner.table).where(owner.in_(over)))
    return Gone(len(over), size)


def _size(connection: Connection, query: Select[Any]) -> int:
    return int(connection.execute(query).scalar_one() or 0)
