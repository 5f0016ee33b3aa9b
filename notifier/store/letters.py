"""Dead letters: what could not be delivered, or not be understood, kept for a person."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    delete,
    func,
    insert,
    select,
    update,
)

from notifier.identifiers import new_id
from notifier.store.base import Claim, Dead, DeadLetter, LetterKind, RowState
from notifier.store.instants import from_micros, to_micros
from notifier.store.tables import dead_letters, outbox

# bytes of a payload that a letter keeps
KEPT_PAYLOAD = 64 * 1024
# bodies that nobody could read must not fill the disk
KEPT_INGEST_LETTERS = 1000
# its message was delivered in plain form; the letter is only there to find out why
PAYLOAD_REFUSED = "payload_refused"
DESTINATION_DEAD = "destination_dead"


def bury(connection: Connection, claimed: Claim, dead: Dead, now: datetime) -> None:
    """Keep a letter about a delivery; a newer one of the same reason takes its place."""
    place = _place(claimed.incident.id, claimed.channel)
    connection.execute(
        delete(dead_letters).where(place).where(dead_letters.c.reason == dead.reason)
    )
    connection.execute(
        insert(dead_letters),
        _letter(
            LetterKind.DELIVERY,
            dead.reason,
            dead.error,
            dead.payload,
            now,
            incident_id=claimed.incident.id,
            channel=claimed.channel,
            attempts=claimed.attempts + 1,
        ),
    )


def bury_channel(connection: Connection, channel: str, error: str, now: datetime) -> int:
    """Turn every waiting row of a channel whose destination is dead into a letter."""
    waiting = and_(outbox.c.channel == channel, outbox.c.state == RowState.PENDING.value)
    rows = connection.execute(select(outbox.c.incident_id, outbox.c.attempts).where(waiting)).all()
    if not rows:
        return 0
    connection.execute(
        delete(dead_letters)
        .where(dead_letters.c.channel == channel)
        .where(dead_letters.c.reason == DESTINATION_DEAD)
        .where(dead_letters.c.incident_id.in_([row.incident_id for row in rows]))
    )
    letters = [
        _letter(
            LetterKind.DELIVERY,
            DESTINATION_DEAD,
            error,
            "",
            now,
            incident_id=row.incident_id,
            channel=channel,
            attempts=row.attempts,
        )
        for row in rows
    ]
    connection.execute(insert(dead_letters), letters)
    connection.execute(
        update(outbox).where(waiting).values(state=RowState.DEAD.value, last_error=error)
    )
    return len(rows)


def died_with_destination(channel: str | ColumnElement[str]) -> Select[tuple[str | None]]:
    """The incidents whose delivery failed because the destination was dead."""
    return select(dead_letters.c.incident_id).where(_with_destination(channel))


def _with_destination(channel: str | ColumnElement[str]) -> ColumnElement[bool]:
    return and_(dead_letters.c.channel == channel, dead_letters.c.reason == DESTINATION_DEAD)


def revive_channel(connection: Connection, channel: str, now: datetime) -> int:
    """Let every delivery be tried again that failed because the destination was dead."""
    letters = _with_destination(channel)
    again = and_(
        outbox.c.channel == channel,
        outbox.c.state == RowState.DEAD.value,
        outbox.c.incident_id.in_(died_with_destination(channel)),
    )
    revived = connection.execute(update(outbox).where(again).values(_revived(now))).rowcount
    connection.execute(delete(dead_letters).where(letters))
    return revived


def forget(connection: Connection, claimed: Claim) -> None:
    """A delivery went well after all: letters that say otherwise go."""
    connection.execute(
        delete(dead_letters)
        .where(_place(claimed.incident.id, claimed.channel))
        .where(dead_letters.c.reason != PAYLOAD_REFUSED)
    )


def add_ingest(
    connection: Connection, reason: str, detail: str, payload: str, now: datetime
) -> str:
    """Keep a body that was refused; only the newest thousand stay."""
    letter = _letter(LetterKind.INGEST, reason, detail, payload, now)
    connection.execute(insert(dead_letters), letter)
    ingest = dead_letters.c.kind == LetterKind.INGEST.value
    newest = select(dead_letters.c.id).where(ingest).order_by(dead_letters.c.id.desc())
    oldest_kept = newest.limit(1).offset(KEPT_INGEST_LETTERS - 1).scalar_subquery()
    connection.execute(delete(dead_letters).where(ingest, dead_letters.c.id < oldest_kept))
    return str(letter["id"])


def _letter(
    kind: LetterKind,
    reason: str,
    error: str,
    payload: str,
    now: datetime,
    *,
    incident_id: str | None = None,
    channel: str | None = None,
    attempts: int = 0,
) -> dict[str, Any]:
    kept = payload[:KEPT_PAYLOAD].replace("\0", "\N{REPLACEMENT CHARACTER}")
    return {
        "id": new_id(),
        "kind": kind.value,
        "incident_id": incident_id,
        "channel": channel,
        "reason": reason,
        "attempts": attempts,
        "last_error": error,
        "created_at": to_micros(now),
        "payload": kept,
        "size": len(kept),
    }


def listed(connection: Connection, limit: int) -> Sequence[DeadLetter]:
    """Letters, the newest first."""
    query = select(dead_letters).order_by(dead_letters.c.id.desc()).limit(limit)
    return [_read(row) for row in connection.execute(query)]


def one(connection: Connection, letter_id: str) -> DeadLetter | None:
    """One letter."""
    query = select(dead_letters).where(dead_letters.c.id == letter_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _read(row)


def drop(connection: Connection, letter_id: str) -> bool:
    """Remove a letter; its row of the outbox stays as it is."""
    query = delete(dead_letters).where(dead_letters.c.id == letter_id)
    return connection.execute(query).rowcount > 0


def replay(connection: Connection, letter_id: str, now: datetime) -> bool:
    """Let the delivery of a letter be tried again, and remove the letter."""
    letter = one(connection, letter_id)
    if letter is None:
        return False
    if letter.incident_id is not None and letter.channel is not None:
        row = and_(outbox.c.incident_id == letter.incident_id, outbox.c.channel == letter.channel)
        connection.execute(update(outbox).where(row).values(_again(now)))
    return drop(connection, letter_id)


def counted(connection: Connection) -> Mapping[str, int]:
    """How many letters there are of each kind."""
    query = select(dead_letters.c.kind, func.count()).group_by(dead_letters.c.kind)
    return {row[0]: row[1] for row in connection.execute(query)}


def _revived(now: datetime) -> dict[str, Any]:
    return {
        "state": RowState.PENDING.value,
        "attempts": 0,
        "reposts": 0,
        "next_attempt_at": to_micros(now),
        "desired_at": to_micros(now),
    }


def _again(now: datetime) -> dict[str, Any]:
    """Revived, and to be sent even where the chat shows the newest revision already."""
    return {**_revived(now), "delivered_revision": 0, "shown": ""}


def _place(incident_id: str, channel: str) -> Any:
    return and_(dead_letters.c.incident_id == incident_id, dead_letters.c.channel == channel)


def _read(row: Row[Any]) -> DeadLetter:
    return DeadLetter(
        id=row.id,
        kind=LetterKind(row.kind),
        incident_id=row.incident_id,
        channel=row.channel,
        reason=row.reason,
        attempts=row.attempts,
        last_error=row.last_error,
        created_at=from_micros(row.created_at),
        payload=row.payload,
    )
