"""Changes an incident for another reason than a webhook."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from notifier.identifiers import new_id
from notifier.incident import Incident, Reason
from notifier.store.accepting import changes, lock
from notifier.store.documents import decode, encode
from notifier.store.instants import to_micros
from notifier.store.tables import history, incidents, outbox

Change = Callable[[Incident], Incident | None]


def amend(
    connection: Connection,
    incident_id: str,
    change: Change,
    *,
    reason: Reason,
    channels: Sequence[str],
    now: datetime,
) -> Incident | None:
    """Change an incident and let the channels that show it show that.

    Args:
        connection: of a write transaction.
        incident_id: the incident.
        change: from the newest state to the next one, or None to leave it.
        reason: what the history says of it.
        channels: the configured ones.
        now: aware UTC.

    Returns:
        The incident with its new revision; None when nothing was changed.
    """
    row = incidents.c.id == incident_id
    digest = connection.execute(select(incidents.c.digest).where(row)).scalar_one_or_none()
    if digest is None:
        return None
    if connection.dialect.name == "postgresql":
        lock(connection, [digest])
    before = decode(connection.execute(select(incidents.c.document).where(row)).scalar_one())
    wanted = change(before)
    if wanted is None:
        return None
    after = replace(wanted, revision=before.revision + 1)
    document = encode(after)
    values = {"revision": after.revision, "document": document, "size": len(document)}
    connection.execute(update(incidents).where(row).values(updated_at=to_micros(now), **values))
    connection.execute(insert(history), _happening(after, reason, now))
    shown = (outbox.c.incident_id == incident_id) & outbox.c.channel.in_(list(channels))
    desired = changes(after.revision, 0, outbox.c.priority, to_micros(now))
    connection.execute(update(outbox).where(shown).values(desired))
    return after


def _happening(incident: Incident, reason: Reason, now: datetime) -> dict[str, object]:
    return {
        "id": new_id(),
        "incident_id": incident.id,
        "revision": incident.revision,
        "received_at": to_micros(now),
        "reasons": reason.value,
        "body": "",
        "size": 0,
    }
