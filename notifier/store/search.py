"""What the inbox page asks: incidents by phase, badness and words, and the history of one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson
from sqlalchemy import Connection, func, select

from notifier.incident import Incident, Phase
from notifier.store import queries
from notifier.store.base import IncidentView
from notifier.store.documents import decode
from notifier.store.instants import from_micros
from notifier.store.tables import history, incidents

# one question must not read a database of years while webhooks wait for the processor
MOST_READ = 2000
_BATCH = 200
KEPT_HISTORY = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which incidents a reader wants.

    Attributes:
        phase: None for both.
        text: must stand in a label, an annotation or an identifier; "" for any.
        fits: what else must hold.
    """

    phase: Phase | None = None
    text: str = ""
    fits: Callable[[Incident], bool] = lambda _: True


@dataclass(frozen=True, slots=True)
class Happening:
    """One change of an incident, and why it was one."""

    revision: int
    at: datetime
    reasons: tuple[str, ...]


def search(
    connection: Connection, wanted: Wanted, limit: int, cursor: str | None
) -> tuple[Sequence[IncidentView], str | None]:
    """Incidents from the newest on, and where to go on.

    A page may be shorter than the limit, even empty, and still have a cursor: so many rows are
    read at most.
    """
    found: list[Incident] = []
    read, last = 0, cursor
    while len(found) < limit and read < MOST_READ:
        rows = _batch(connection, wanted, last)
        read += len(rows)
        for incident_id, document in rows:
            last = incident_id
            incident = decode(document)
            if _holds(incident, wanted):
                found.append(incident)
                if len(found) == limit:
                    break
        if len(rows) < _BATCH:
            more = len(found) == limit and rows and last != rows[-1][0]
            return queries.views(connection, found), last if more else None
    return queries.views(connection, found), last


def _batch(connection: Connection, wanted: Wanted, cursor: str | None) -> list[tuple[str, str]]:
    query = select(incidents.c.id, incidents.c.document).order_by(incidents.c.id.desc())
    if wanted.phase is not None:
        query = query.where(incidents.c.phase == wanted.phase.value)
    for word in wanted.text.replace("=", " ").split():
        # as it stands in the document, where quotes and backslashes are escaped
        written = orjson.dumps(word).decode()[1:-1]
        if written.isascii():
            # a database may know no other letters when it ignores case
            query = query.where(incidents.c.document.icontains(written, autoescape=True))
    if cursor:
        query = query.where(incidents.c.id < cursor)
    return [(row.id, row.document) for row in connection.execute(query.limit(_BATCH))]


def _holds(incident: Incident, wanted: Wanted) -> bool:
    words = wanted.text.casefold().split()
    if words:
        said = "\n".join(_said(incident)).casefold()
        if not all(word in said for word in words):
            return False
    return wanted.fits(incident)


def _said(incident: Incident) -> list[str]:
    texts = [incident.id, incident.receiver, *incident.labels.values()]
    for alert in incident.alerts:
        texts += [*alert.labels.values(), *alert.annotations.values(), alert.fingerprint]
        texts += [f"{name}={value}" for name, value in alert.labels.items()]
    return texts


def firing(connection: Connection) -> int:
    """How many incidents fire now."""
    query = select(func.count()).where(incidents.c.phase == Phase.FIRING.value)
    return int(connection.execute(query).scalar_one())


def happenings(connection: Connection, incident_id: str) -> Sequence[Happening]:
    """What has happened to an incident, the newest first; the last 200 of it."""
    query = (
        select(history.c.revision, history.c.received_at, history.c.reasons)
        .where(history.c.incident_id == incident_id)
        .order_by(history.c.id.desc())
        .limit(KEPT_HISTORY)
    )
    return [
        Happening(row.revision, from_micros(row.received_at), tuple(row.reasons.split(",")))
        for row in connection.execute(query)
    ]
