"""What a digest tells of a channel's backlog, and where the digest itself stands."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

import orjson
from sqlalchemy import ColumnElement, Connection, Row, and_, case, delete, func, insert, or_, select
from sqlalchemy import update as change
from sqlalchemy.exc import IntegrityError

from notifier.deliver.outcome import Receipt
from notifier.incident import Incident
from notifier.incident.severity import CRITICAL
from notifier.store.base import RowState
from notifier.store.documents import decode
from notifier.store.tables import incidents, meta, outbox

# what the column ``shown`` holds of an incident that ended before its turn came
BY_DIGEST = "digest"
# no chat shows more lines; a document can be large
_MOST_LISTED = 60


class DigestState(StrEnum):
    """Where the message of an episode stands."""

    SENDING = "sending"
    SHOWN = "shown"
    # nobody knows whether it arrived: one more is sent
    UNSURE = "unsure"
    # that is unknown of the second, too, or somebody has removed it: no other one is sent
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Episode:
    """One long backlog of a channel, and its one digest.

    Attributes:
        first_id: the first incident that had to wait; later ones belong to the episode, too.
        owner: the worker that cares for it.
        lease_until: when another one may; microseconds since 1970.
        again: whether its message is the second one.
    """

    first_id: str
    state: DigestState
    owner: str
    lease_until: int
    destination: str = ""
    message: str = ""
    again: bool = False

    @property
    def marker(self) -> str:
        """Identifies the message, so that one of unknown outcome can be looked up."""
        return f"digest:{self.first_id}"

    @property
    def receipt(self) -> Receipt:
        """Where the message is."""
        return Receipt(self.destination, self.message)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The incidents of a channel that have no message yet.

    Attributes:
        count: how many.
        critical: how many of them are critical.
        first_id: the first of those that never had one; "" without any.
    """

    count: int
    critical: int
    first_id: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What a digest tells.

    Attributes:
        incidents: those that wait, the worst first, then those that ended meanwhile; at most 60.
        waiting: how many wait for their own message.
        ended: how many ended before their turn came, and get none.
        total: how many belong to the episode.
    """

    incidents: Sequence[Incident]
    waiting: int
    ended: int
    total: int


def waiting(connection: Connection, channel: str) -> Waiting:
    """How many incidents wait for their first message."""
    new = outbox.c.delivered_revision == 0
    query = select(
        func.count(),
        func.sum(case((outbox.c.priority >= CRITICAL, 1), else_=0)),
        func.min(case((new, outbox.c.incident_id))),
    ).where(outbox.c.channel == channel, _WAITS)
    count, critical, first = connection.execute(query).one()
    return Waiting(int(count), int(critical or 0), str(first or ""))


def contents(connection: Connection, channel: str, first_id: str) -> Contents:
    """What the digest of an episode tells now."""
    of_episode = and_(outbox.c.channel == channel, outbox.c.incident_id >= first_id)
    ended = and_(of_episode, outbox.c.shown == BY_DIGEST, outbox.c.state == RowState.DELIVERED)
    waits = and_(outbox.c.channel == channel, _WAITS)
    query = (
        select(incidents.c.document)
        .join(outbox, outbox.c.incident_id == incidents.c.id)
        .where(or_(waits, ended))
        .order_by(case((_WAITS, 0), else_=1), outbox.c.priority.desc(), outbox.c.incident_id.desc())
        .limit(_MOST_LISTED)
    )
    listed = [decode(document) for document in connection.execute(query).scalars()]
    waiting_now = _count(connection, waits)
    total = max(_count(connection, of_episode), waiting_now)
    return Contents(listed, waiting_now, _count(connection, ended), total)


def episode(connection: Connection, channel: str) -> Episode | None:
    """The episode of a channel; None while there is none."""
    row = connection.execute(select(meta.c.value).where(meta.c.key == _key(channel))).first()
    return _read(row) if row else None


def swap(connection: Connection, channel: str, old: Episode | None, new: Episode | None) -> bool:
    """Put one state of an episode in place of another; False when it is not ``old`` any more."""
    key = _key(channel)
    if old is None:
        return new is not None and _insert(connection, key, new)
    mine = and_(meta.c.key == key, meta.c.value == _write(old))
    statement = delete(meta) if new is None else change(meta).values(value=_write(new))
    return connection.execute(statement.where(mine)).rowcount == 1


def release(connection: Connection) -> None:
    """Let others care for every episode at once: who cared for them is dead."""
    rows = connection.execute(select(meta).where(meta.c.key.startswith(_PREFIX))).all()
    for row in rows:
        known = _read(row)
        free = Episode(**{**asdict(known), "lease_until": 0})
        connection.execute(change(meta).where(meta.c.key == row.key).values(value=_write(free)))


_PREFIX = "digest:"
_WAITS: ColumnElement[bool] = and_(
    outbox.c.state == RowState.PENDING.value,
    outbox.c.receipt_message == "",
    or_(outbox.c.delivered_revision == 0, outbox.c.shown == BY_DIGEST),
)


def _key(channel: str) -> str:
    """A channel's name may be as long as the column."""
    return _PREFIX + hashlib.sha256(channel.encode()).hexdigest()[:32]


def _insert(connection: Connection, key: str, new: Episode) -> bool:
    try:
        with connection.begin_nested():
            connection.execute(insert(meta), {"key": key, "value": _write(new)})
    except IntegrityError:
        # another replica was quicker
        return False
    return True


def _count(connection: Connection, rows: ColumnElement[bool]) -> int:
    return int(
        connection.execute(select(func.count()).select_from(outbox).where(rows)).scalar_one()
    )


def _write(known: Episode) -> str:
    return orjson.dumps(asdict(known)).decode()


def _read(row: Row[tuple[str]]) -> Episode:
    known = orjson.loads(row.value)
    return Episode(**{**known, "state": DigestState(known["state"])})
