"""What the inbox page asks: incidents by phase, badness and words, and the history of one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import orjson
from sqlalchemy import Connection, func, select

from notifier.incident import Incident, Phase
from notifier.incident.severity import worst
from notifier.store import queries
from notifier.store.base import IncidentView
from notifier.store.documents import decode
from notifier.store.instants import from_micros
from notifier.store.tables import history, incidents

# one question must not read a database of years while webhooks wait for the processor
MOST_READ = 2000
# so many of the newest that fire are sorted by how bad they are
MOST_SORTED = 500
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


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page starts.

    Attributes:
        phase: which part of the list.
        before: the id that the part was read down to; "" is its beginning.
        skip: how many of the sorted ones have been shown.
    """

    phase: Phase
    before: str = ""
    skip: int = 0

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Read what ``str`` wrote.

        Raises:
            ValueError: it did not.
        """
        phase, before, skip = text.split(":")
        return cls(Phase(phase), before, int(skip))

    def __str__(self) -> str:
        return f"{self.phase.value}:{self.before}:{self.skip}"


def search(
    connection: Connection, wanted: Wanted, limit: int, cursor: Cursor | None
) -> tuple[Sequence[IncidentView], Cursor | None]:
    """Incidents, and where to go on: what needs somebody first, then the newest.

    What fires comes before what is over; among that what nobody has taken on or silenced, the
    worst first. A page may be shorter than the limit, even empty, and still have a cursor: so many
    rows are read at most.
    """
    phases = [wanted.phase] if wanted.phase else [Phase.FIRING, Phase.RESOLVED]
    at = cursor or Cursor(phases[0])
    found: list[Incident] = []
    following: Cursor | None = at
    if at.phase is Phase.FIRING:
        found, following = _firing(connection, wanted, limit, at)
        if following is None and Phase.RESOLVED in phases:
            following = Cursor(Phase.RESOLVED)
    if following is not None and following.phase is Phase.RESOLVED and len(found) < limit:
        over = replace(wanted, phase=Phase.RESOLVED)
        more, last = _newest(connection, over, limit - len(found), following.before)
        found += more
        following = replace(following, before=last) if last else None
    return queries.views(connection, found), following


def _firing(
    connection: Connection, wanted: Wanted, limit: int, at: Cursor
) -> tuple[list[Incident], Cursor | None]:
    fires = replace(wanted, phase=Phase.FIRING)
    found, last = _newest(connection, fires, MOST_SORTED, at.before)
    # sorting is stable: equals stay as they are, the newest first
    found.sort(key=lambda each: (each.quiet is not None, -worst(each.firing)))
    upto = at.skip + limit
    if upto < len(found):
        return found[at.skip : upto], replace(at, skip=upto)
    return found[at.skip :], Cursor(Phase.FIRING, last) if last else None


def _newest(
    connection: Connection, wanted: Wanted, limit: int, before: str
) -> tuple[list[Incident], str]:
    """Incidents from the newest on, and the id to go on before; "" at the end."""
    found: list[Incident] = []
    read, last = 0, before
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
            return found, last if more else ""
    return found, last


def _batch(connection: Connection, wanted: Wanted, before: str) -> list[tuple[str, str]]:
    query = select(incidents.c.id, incidents.c.document).order_by(incidents.c.id.desc())
    if wanted.phase is not None:
        query = query.where(incidents.c.phase == wanted.phase.value)
    for word in wanted.text.replace("=", " ").split():
        # as it stands in the document, where quotes and backslashes are escaped
        written = orjson.dumps(word).decode()[1:-1]
        if written.isascii():
            # a database may know no other letters when it ignores case
            query = query.where(incidents.c.document.icontains(written, autoescape=True))
    if before:
        query = query.where(incidents.c.id < before)
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
