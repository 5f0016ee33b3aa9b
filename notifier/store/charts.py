"""Which messages want a chart, beside what the outbox says of their words.

A chart is due when its message has been delivered. Whoever takes it up puts the next try off
first, so that a process that dies, or kills us, is not tried again without end; and it holds the
row while it edits the message, so that an old state never overtakes a newer one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    case,
    exists,
    func,
    or_,
    select,
    update,
)

from notifier.deliver.outcome import Receipt
from notifier.incident import Incident, Phase
from notifier.store.base import Lease, RowState
from notifier.store.documents import decode
from notifier.store.instants import to_micros
from notifier.store.tables import incidents, outbox

TRIES = 3
RETRY_SECONDS = 60.0
# a chart that could not be shown in this time after its message says nothing new any more
STALE_SECONDS = 600.0
_OPENING = "firing"


@dataclass(frozen=True, slots=True)
class ChartTask:
    """An incident whose chart somebody has to draw, and for which channels.

    Attributes:
        incident: as it was when the task was taken up.
        stage: which of its charts: the one of its beginning, or the one of the whole.
        channels: that show the incident without this chart.
    """

    incident: Incident
    stage: str
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChartClaim:
    """A delivered message that nobody else edits until the lease ends.

    Attributes:
        incident: what the message says.
        receipt: where it is.
    """

    incident: Incident
    channel: str
    stage: str
    owner: str
    receipt: Receipt


def stage_of(incident: Incident) -> str:
    """The chart that an incident should have: of its beginning, or of the whole until an end."""
    return f"whole:{incident.reopened}" if incident.phase is Phase.RESOLVED else _OPENING


def marks(incident: Incident, now: datetime) -> Mapping[str, Any]:
    """What a delivered message of the incident does to the chart of its row.

    The beginning is drawn once. An incident that fires again keeps the chart of its first end
    until its next one.
    """
    stage, due = stage_of(incident), to_micros(now)
    if stage == _OPENING:
        return {"chart_due_at": case((outbox.c.chart == "", due), else_=0)}
    other = outbox.c.chart != stage
    fresh = and_(other, outbox.c.chart_tried != stage)
    return {
        "chart_due_at": case((other, due), else_=0),
        "chart_tries": case((fresh, 0), else_=outbox.c.chart_tries),
    }


def take(connection: Connection, channels: Sequence[str], now: datetime) -> ChartTask | None:
    """Take up the charts of the most urgent incident that wants some; None without any.

    A channel with a message that waits is left alone.
    """
    wanting = _wanting(channels, now)
    query = (
        select(outbox.c.incident_id, incidents.c.document)
        .join_from(outbox, incidents, incidents.c.id == outbox.c.incident_id)
        .where(wanting)
        .order_by(outbox.c.priority.desc(), outbox.c.chart_due_at)
        .limit(1)
    )
    found = connection.execute(query).one_or_none()
    if found is None:
        return None
    incident = decode(found.document)
    stage = stage_of(incident)
    again = to_micros(now + timedelta(seconds=RETRY_SECONDS))
    taken = (
        update(outbox)
        .where(outbox.c.incident_id == incident.id, wanting)
        .values(chart_due_at=again, chart_tries=outbox.c.chart_tries + 1, chart_tried=stage)
        .returning(outbox.c.channel)
    )
    names = tuple(sorted(connection.execute(taken).scalars()))
    return ChartTask(incident, stage, names) if names else None


def _wanting(channels: Sequence[str], now: datetime) -> ColumnElement[bool]:
    micros = to_micros(now)
    return and_(
        outbox.c.channel.in_(channels),
        outbox.c.chart_due_at.between(1, micros),
        outbox.c.chart_tries < TRIES,
        outbox.c.next_attempt_at > to_micros(now - timedelta(seconds=STALE_SECONDS)),
        _at_rest(micros),
    )


def _at_rest(micros: int) -> ColumnElement[bool]:
    """Nothing is to be said of the row, nor of another one of its channel."""
    other = outbox.alias("other")
    backlog = exists().where(
        other.c.channel == outbox.c.channel,
        other.c.state == RowState.PENDING.value,
    )
    return and_(
        outbox.c.state == RowState.DELIVERED.value,
        outbox.c.receipt_message != "",
        outbox.c.lease_until <= micros,
        ~backlog,
    )


def claim(connection: Connection, task: ChartTask, channel: str, lease: Lease) -> ChartClaim | None:
    """Lease the message of a task; None while there is something to say, or when it moved on."""
    row = _is(task.incident.id, channel)
    query = select(outbox).where(row, _at_rest(to_micros(lease.now))).with_for_update()
    found = connection.execute(query).one_or_none()
    if found is None:
        return None
    document = select(incidents.c.document).where(incidents.c.id == task.incident.id)
    incident = decode(connection.execute(document).scalar_one())
    if stage_of(incident) != task.stage:
        return None
    until = to_micros(lease.now + timedelta(seconds=lease.seconds))
    connection.execute(update(outbox).where(row).values(lease_owner=lease.owner, lease_until=until))
    receipt = Receipt(found.receipt_destination, found.receipt_message, found.receipt_attachment)
    return ChartClaim(incident, channel, task.stage, lease.owner, receipt)


def shown(connection: Connection, claimed: ChartClaim, receipt: Receipt) -> bool:
    """The message shows the chart; False when the lease has been lost."""
    values = {
        "receipt_attachment": receipt.attachment,
        "chart": claimed.stage,
        "chart_due_at": 0,
        "chart_tries": 0,
    }
    return _end(connection, claimed, values)


def give_back(connection: Connection, claimed: ChartClaim) -> bool:
    """Nothing was done with the message."""
    return _end(connection, claimed, {})


def _end(connection: Connection, claimed: ChartClaim, values: Mapping[str, Any]) -> bool:
    mine = _is(claimed.incident.id, claimed.channel) & (outbox.c.lease_owner == claimed.owner)
    done = update(outbox).where(mine).values(lease_owner="", lease_until=0, **values)
    return connection.execute(done).rowcount > 0


def give_up(connection: Connection, task: ChartTask, channels: Sequence[str]) -> int:
    """Try the chart of a task no more; that of another stage may still come."""
    rows = and_(
        outbox.c.incident_id == task.incident.id,
        outbox.c.channel.in_(channels),
        outbox.c.chart_tried == task.stage,
    )
    done = update(outbox).where(rows).values(chart_due_at=0, chart_tries=TRIES)
    return connection.execute(done).rowcount


def put_off(
    connection: Connection, task: ChartTask, channels: Sequence[str], until: datetime
) -> int:
    """Nothing went wrong but the moment: the try does not count, and the next is due then."""
    rows = and_(
        outbox.c.incident_id == task.incident.id,
        outbox.c.channel.in_(channels),
        outbox.c.chart_tried == task.stage,
        outbox.c.chart_due_at > 0,
        outbox.c.chart_tries > 0,
    )
    values = {"chart_due_at": to_micros(until), "chart_tries": outbox.c.chart_tries - 1}
    return connection.execute(update(outbox).where(rows).values(values)).rowcount


def recall(connection: Connection, now: datetime) -> int:
    """Let every chart that was taken up be due: whoever took it up does not live any more."""
    micros = to_micros(now)
    taken = update(outbox).where(outbox.c.chart_due_at > micros).values(chart_due_at=micros)
    return connection.execute(taken).rowcount


def expire(connection: Connection, channels: Sequence[str], now: datetime) -> Mapping[str, int]:
    """Give up what comes too late, or was tried too often; how many by channel."""
    late = outbox.c.next_attempt_at <= to_micros(now - timedelta(seconds=STALE_SECONDS))
    over = and_(
        outbox.c.channel.in_(channels),
        outbox.c.chart_due_at > 0,
        outbox.c.state == RowState.DELIVERED.value,
        or_(late, outbox.c.chart_tries >= TRIES),
    )
    late = and_(over, late, outbox.c.chart_tries < TRIES)
    counted = select(outbox.c.channel, func.count()).where(late).group_by(outbox.c.channel)
    found = {row[0]: row[1] for row in connection.execute(counted)}
    connection.execute(update(outbox).where(over).values(chart_due_at=0))
    return found


def _is(incident_id: str, channel: str) -> ColumnElement[bool]:
    return and_(outbox.c.incident_id == incident_id, outbox.c.channel == channel)
