"""What readers ask of the database."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from notifier.incident import Incident, Phase
from notifier.store.base import Backlog, ChannelState, DeliveryRow, IncidentView, RowState
from notifier.store.documents import decode
from notifier.store.instants import from_micros, to_micros
from notifier.store.letters import counted
from notifier.store.outbox import receipt_of
from notifier.store.tables import channels, incidents, meta, outbox


def page(
    connection: Connection, phase: Phase | None, limit: int, cursor: str | None
) -> tuple[Sequence[IncidentView], str | None]:
    """Incidents from the newest on, and the cursor that the next page starts at."""
    query = select(incidents.c.id, incidents.c.document).order_by(incidents.c.id.desc())
    if phase is not None:
        query = query.where(incidents.c.phase == phase.value)
    if cursor:
        query = query.where(incidents.c.id < cursor)
    rows = connection.execute(query.limit(limit + 1)).all()
    shown = rows[:limit]
    found = views(connection, [decode(row.document) for row in shown])
    return found, shown[-1].id if len(rows) > limit else None


def views(connection: Connection, found: Sequence[Incident]) -> Sequence[IncidentView]:
    """The incidents with their deliveries."""
    deliveries = _deliveries(connection, [incident.id for incident in found])
    return [IncidentView(incident, deliveries.get(incident.id, ())) for incident in found]


def one(connection: Connection, incident_id: str) -> IncidentView | None:
    """One incident with its deliveries."""
    query = select(incidents.c.document).where(incidents.c.id == incident_id)
    document = connection.execute(query).scalar_one_or_none()
    if document is None:
        return None
    deliveries = _deliveries(connection, [incident_id])
    return IncidentView(decode(document), deliveries.get(incident_id, ()))


def _deliveries(
    connection: Connection, ids: Sequence[str]
) -> Mapping[str, tuple[DeliveryRow, ...]]:
    query = select(outbox).where(outbox.c.incident_id.in_(ids)).order_by(outbox.c.channel)
    found: dict[str, tuple[DeliveryRow, ...]] = {}
    for row in connection.execute(query) if ids else ():
        waits = row.state == RowState.PENDING.value
        delivery = DeliveryRow(
            channel=row.channel,
            state=RowState(row.state),
            revision=row.delivered_revision,
            receipt=receipt_of(row),
            attempts=row.attempts,
            next_attempt_at=from_micros(row.next_attempt_at) if waits else None,
            last_error=row.last_error,
        )
        found[row.incident_id] = (*found.get(row.incident_id, ()), delivery)
    return found


def backlog(connection: Connection) -> Backlog:
    """How many rows wait, since when, and how many letters there are."""
    query = (
        select(outbox.c.channel, func.count(), func.min(outbox.c.desired_at))
        .where(outbox.c.state == RowState.PENDING.value)
        .group_by(outbox.c.channel)
    )
    rows = connection.execute(query).all()
    return Backlog(
        pending={channel: count for channel, count, _ in rows},
        oldest=from_micros(min(since for _, _, since in rows)) if rows else None,
        dead_letters=counted(connection),
    )


def channel_states(connection: Connection) -> Mapping[str, ChannelState]:
    """The channels of which something is known."""
    return {
        row.name: ChannelState(
            name=row.name,
            stopped=row.stopped,
            reason=row.reason,
            since=from_micros(row.since),
            not_before=from_micros(row.not_before) if row.not_before else None,
        )
        for row in connection.execute(select(channels))
    }


def fires(connection: Connection, digest: str) -> bool:
    """Whether the newest incident of an identity fires."""
    query = (
        select(incidents.c.phase)
        .where(incidents.c.digest == digest)
        .order_by(incidents.c.id.desc())
        .limit(1)
    )
    return connection.execute(query).scalar_one_or_none() == Phase.FIRING.value


def put_channel(connection: Connection, state: ChannelState) -> None:
    """Remember a channel's state."""
    connection.execute(delete(channels).where(channels.c.name == state.name))
    connection.execute(
        insert(channels),
        {
            "name": state.name,
            "stopped": state.stopped,
            "reason": state.reason,
            "since": to_micros(state.since),
            "not_before": to_micros(state.not_before) if state.not_before else 0,
        },
    )


def forget_channel(connection: Connection, name: str) -> None:
    """Remember nothing of a channel."""
    connection.execute(delete(channels).where(channels.c.name == name))


def read_meta(connection: Connection, key: str) -> str | None:
    """A remembered value."""
    query = select(meta.c.value).where(meta.c.key == key)
    return connection.execute(query).scalar_one_or_none()


def write_meta(connection: Connection, key: str, value: str) -> None:
    """Remember a value."""
    known = connection.execute(update(meta).where(meta.c.key == key).values(value=value))
    if known.rowcount == 0:
        connection.execute(insert(meta), {"key": key, "value": value})


def retire(connection: Connection, names: Iterable[str], now: datetime) -> int:
    """Close the rows of channels that are configured no more; returns how many."""
    gone = outbox.c.state == RowState.PENDING.value, outbox.c.channel.not_in(list(names))
    closed = {"state": RowState.DEAD.value, "last_error": "the channel is configured no more"}
    return connection.execute(
        update(outbox).where(*gone).values(next_attempt_at=to_micros(now), **closed)
    ).rowcount
