"""Takes webhooks in: one transaction for a whole line of them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    bindparam,
    case,
    func,
    literal_column,
    select,
    text,
    update,
)

from notifier.identifiers import new_id
from notifier.incident import Incident
from notifier.planner import Plan, Planner, Want
from notifier.store import bulk
from notifier.store.base import Ingest, RowState
from notifier.store.documents import decode, encode
from notifier.store.instants import to_micros
from notifier.store.tables import history, incidents, outbox

# bytes of a body that the history keeps
KEPT_BODY = 32 * 1024

Row = dict[str, Any]


class Accepting:
    """Applies notifications to what the database knows.

    Args:
        planner: decides what each of them does.
        dialect: ``sqlite`` or ``postgresql``.
    """

    def __init__(self, planner: Planner, dialect: str) -> None:
        self.planner = planner
        self._postgresql = dialect == "postgresql"
        self._put_incidents = _upsert_incidents(dialect)
        self._open_outbox = _upsert_outbox(dialect)
        self._change_outbox = _update_outbox(dialect)
        self._add_history = _insert_history(dialect)

    def __call__(self, connection: Connection, line: Sequence[Ingest]) -> list[Plan]:
        """Take the webhooks in, in order; nothing is committed here."""
        # the rules may be replaced at any moment, but not within a transaction
        planner = self.planner
        digests = [planner.identify(ingest.notification).digest for ingest in line]
        if self._postgresql:
            lock(connection, sorted(set(digests)))
        newest = _newest(connection, sorted(set(digests)))
        plans: list[Plan] = []
        writes = _Writes()
        for digest, ingest in zip(digests, line, strict=True):
            before = newest.get(digest)
            plan = planner.plan(before, ingest.notification, ingest.received_at)
            after = plan.step.incident
            if after is not None and after != before:
                newest[digest] = after
                writes.incident(digest, after, ingest)
            if plan.step.changed and after is not None:
                writes.changed(after, plan, ingest)
            plans.append(plan)
        self._write(connection, writes)
        return plans

    def _write(self, connection: Connection, writes: "_Writes") -> None:
        opening = [row for row in writes.wanted.values() if row["opens"]]
        changing = [row for row in writes.wanted.values() if not row["opens"]]
        for statement, rows in (
            (self._put_incidents, list(writes.incidents.values())),
            (self._open_outbox, opening),
            (self._change_outbox, changing),
            (self._add_history, writes.history),
        ):
            if rows:
                connection.execute(statement, bulk.given(rows))


class _Writes:
    """What a transaction will write, as rows: at most one for each row of the database."""

    def __init__(self) -> None:
        self.incidents: dict[str, Row] = {}
        self.wanted: dict[tuple[str, str], Row] = {}
        self.history: list[Row] = []

    def incident(self, digest: str, incident: Incident, ingest: Ingest) -> None:
        document = encode(incident)
        self.incidents[incident.id] = {
            "id": incident.id,
            "digest": digest,
            "phase": incident.phase.value,
            "revision": incident.revision,
            "updated_at": to_micros(ingest.received_at),
            "document": document,
            "size": len(document),
        }

    def changed(self, incident: Incident, plan: Plan, ingest: Ingest) -> None:
        now = to_micros(ingest.received_at)
        body = ingest.body[:KEPT_BODY].decode("utf-8", "replace").replace("\0", "")
        self.history.append(
            {
                "id": new_id(),
                "incident_id": incident.id,
                "revision": incident.revision,
                "received_at": now,
                "reasons": ",".join(sorted(plan.step.reasons)),
                "body": body,
                "size": len(body),
            }
        )
        for want in plan.wants:
            key = (want.incident_id, want.channel)
            self.wanted[key] = _wanted(self.wanted.get(key), want, now)


def _wanted(before: Row | None, want: Want, now: int) -> Row:
    """What a channel should come to show, after all that the line has said of it so far."""
    ring = want.revision if want.ring else 0
    return {
        "incident_id": want.incident_id,
        "channel": want.channel,
        "priority": want.priority,
        "desired_revision": want.revision,
        "ring_revision": max(ring, before["ring_revision"]) if before else ring,
        "desired_at": before["desired_at"] if before else now,
        "opens": want.opens or (before is not None and before["opens"]),
    }


# how every row begins: stands in the statement, which is much cheaper than a parameter per row
_BEGINNING = {
    "state": f"'{RowState.PENDING.value}'",
    **dict.fromkeys(("delivered_revision", "rung_revision", "attempts", "reposts"), "0"),
    **dict.fromkeys(("in_flight_revision", "lease_until"), "0"),
    **dict.fromkeys(("in_flight", "lease_owner", "shown", "last_error", "tried"), "''"),
    **dict.fromkeys(("receipt_destination", "receipt_message", "receipt_attachment"), "''"),
}
_WANTED = (
    "incident_id",
    "channel",
    "priority",
    "desired_revision",
    "ring_revision",
    "desired_at",
)


def lock(connection: Connection, digests: Sequence[str]) -> None:
    """Let no other replica step the same incidents; always in the same order."""
    keys = sorted(int(digest[:16], 16) - 2**63 for digest in digests)
    connection.execute(_LOCK_ALL, {"keys": keys})


_LOCK_ALL = text("SELECT pg_advisory_xact_lock(k) FROM unnest(:keys) AS k").bindparams(
    bindparam("keys", type_=ARRAY(BigInteger))
)


# statements are made once: making one costs as much as running it
_NEWEST = select(incidents.c.digest, incidents.c.document).where(
    incidents.c.id.in_(
        select(func.max(incidents.c.id))
        .where(incidents.c.digest.in_(bindparam("digests", expanding=True)))
        .group_by(incidents.c.digest)
    )
)


def _newest(connection: Connection, digests: Sequence[str]) -> dict[str, Incident]:
    rows = connection.execute(_NEWEST, {"digests": list(digests)})
    return {digest: decode(document) for digest, document in rows}


def _upsert_incidents(dialect: str) -> Any:
    names = [column.name for column in incidents.columns]
    new = bulk.incoming(dialect, incidents, names)
    rows = select(*new.values()).where(bulk.EVERY)
    insert = bulk.insert(dialect, incidents).from_select(names, rows)
    changed = ("phase", "revision", "updated_at", "document", "size")
    return insert.on_conflict_do_update(
        index_elements=["id"], set_={name: insert.excluded[name] for name in changed}
    )


def _insert_history(dialect: str) -> Any:
    names = [column.name for column in history.columns]
    return history.insert().from_select(
        names, select(*bulk.incoming(dialect, history, names).values())
    )


def _upsert_outbox(dialect: str) -> Any:
    given = bulk.incoming(dialect, outbox, _WANTED)
    begun: Row = {name: literal_column(value) for name, value in _BEGINNING.items()}
    row = {**given, "next_attempt_at": given["desired_at"], **begun}
    insert = bulk.insert(dialect, outbox).from_select(
        list(row), select(*row.values()).where(bulk.EVERY)
    )
    new = insert.excluded
    return insert.on_conflict_do_update(
        index_elements=["incident_id", "channel"],
        set_=changes(new.desired_revision, new.ring_revision, new.priority, new.desired_at),
    )


def _update_outbox(dialect: str) -> Any:
    new = bulk.incoming(dialect, outbox, _WANTED)
    values = changes(
        new["desired_revision"], new["ring_revision"], new["priority"], new["desired_at"]
    )
    return (
        update(outbox)
        .where(outbox.c.incident_id == new["incident_id"])
        .where(outbox.c.channel == new["channel"])
        .values(values)
    )


def changes(revision: Any, ring: Any, priority: Any, now: Any) -> Row:
    """What news does to a row of the outbox.

    A row that is being tried keeps its wait: news must not hammer a chat that is down.
    """
    waits = outbox.c.state == RowState.PENDING.value
    return {
        "desired_revision": _larger(outbox.c.desired_revision, revision),
        "ring_revision": _larger(outbox.c.ring_revision, ring),
        "priority": priority,
        "desired_at": case((waits, outbox.c.desired_at), else_=now),
        "next_attempt_at": case((waits, outbox.c.next_attempt_at), else_=now),
        "attempts": case((waits, outbox.c.attempts), else_=0),
        "state": RowState.PENDING.value,
    }


def _larger(old: Any, new: Any) -> Any:
    return case((old > new, old), else_=new)
