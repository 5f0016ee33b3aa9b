"""Keeps the database bounded, by age and by size; what still fires or waits always stays."""

from sqlalchemy import Connection, Select, delete, func, select

from notifier.incident import Phase
from notifier.store.base import RowState
from notifier.store.tables import dead_letters, history, incidents, outbox

# rows per transaction, so that no webhook waits long behind the broom
BATCH = 500


def prune_aged(connection: Connection, before: int) -> int:
    """Remove up to ``BATCH`` incidents that ended, and bodies and letters, before the instant."""
    ended = _over().where(incidents.c.updated_at < before).order_by(incidents.c.updated_at)
    removed = _remove(connection, ended)
    connection.execute(delete(history).where(history.c.received_at < before))
    letters = connection.execute(delete(dead_letters).where(dead_letters.c.created_at < before))
    return removed + letters.rowcount


def prune_oversized(connection: Connection, max_bytes: int) -> int:
    """Remove up to ``BATCH`` of the oldest ended incidents if the documents are too large."""
    if stored_bytes(connection) <= max_bytes:
        return 0
    return _remove(connection, _over().order_by(incidents.c.updated_at))


def stored_bytes(connection: Connection) -> int:
    """Characters of all documents, bodies and payloads."""
    sums = (
        select(func.coalesce(func.sum(t.c.size), 0)) for t in (incidents, history, dead_letters)
    )
    return sum(int(connection.execute(query).scalar_one()) for query in sums)


def _over() -> Select[tuple[str]]:
    waiting = select(outbox.c.incident_id).where(outbox.c.state == RowState.PENDING.value)
    return (
        select(incidents.c.id)
        .where(incidents.c.phase == Phase.RESOLVED.value)
        .where(incidents.c.id.not_in(waiting))
    )


def _remove(connection: Connection, query: Select[tuple[str]]) -> int:
    ids = list(connection.execute(query.limit(BATCH)).scalars())
    if not ids:
        return 0
    connection.execute(delete(outbox).where(outbox.c.incident_id.in_(ids)))
    connection.execute(delete(history).where(history.c.incident_id.in_(ids)))
    connection.execute(delete(dead_letters).where(dead_letters.c.incident_id.in_(ids)))
    connection.execute(delete(incidents).where(incidents.c.id.in_(ids)))
    return len(ids)
