"""Takes webhooks in: one transaction for a whole line of them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Connection,
    Select,
    bindparam,
    case,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.sql.dml import UpdateBase

from notifier.identifiers import new_id
from notifier.incident import Incident
from notifier.incident.planner import Plan, Planner, Want
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
        self._newest = _find_newest(dialect)
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
        known = self._newest(connection, [(digest,) for digest in set(digests)])
        newest = {digest: decode(document) for digest, document in known if document}
        plans: list[Plan] = []
        writes = _Writes()
        for digest, ingest in zip(digests, line, strict=True):
            before = newest.get(digest)
            plan = planner.plan(before, ingest.notification, ingest.received_at)
            now = to_micros(ingest.received_at)
            after = plan.step.incident
            if after is not None and after != before:
                newest[digest] = after
                writes.incident(digest, after, now)
            if plan.step.changed and after is not None:
                writes.changed(after, plan, ingest.body, now)
            plans.append(plan)
        self._write(connection, writes)
        return plans

    def _write(self, connection: Connection, writes: "_Writes") -> None:
        wanted = writes.wanted.values()
        for statement, rows in (
            (self._put_incidents, list(writes.incidents.values())),
            (self._open_outbox, [row.values for row in wanted if row.opens]),
            (self._change_outbox, [row.values for row in wanted if not row.opens]),
            (self._add_history, writes.history),
        ):
            if rows:
                statement(connection, rows)


class _Writes:
    """What a transaction will write, as rows: at most one for each row of the database."""

    def __init__(self) -> None:
        self.incidents: dict[str, bulk.Row] = {}
        self.wanted: dict[tuple[str, str], _Wanted] = {}
        self.history: list[bulk.Row] = []

    def incident(self, digest: str, incident: Incident, now: int) -> None:
        document = encode(incident)
        phase, revision = incident.phase.value, incident.revision
        self.incidents[incident.id] = (
            incident.id,
            digest,
            phase,
            revision,
            now,
            document,
            len(document),
        )

    def changed(self, incident: Incident, plan: Plan, body: bytes, now: int) -> None:
        reasons = ",".join(sorted(plan.step.reasons))
        text = body[:KEPT_BODY].decode("utf-8", "replace").replace("\0", "")
        row = (new_id(), incident.id, incident.revision, now, reasons, text, len(text))
        self.history.append(row)
        for want in plan.wants:
            key = (want.incident_id, want.channel)
            self.wanted[key] = _Wanted.after(self.wanted.get(key), want, now)


class _Wanted(NamedTuple):
    """What a channel should come to show, after all that the line has said of it so far."""

    want: Want
    ring_revision: int
    desired_at: int
    opens: bool

    @classmethod
    def after(cls, before: "_Wanted | None", want: Want, now: int) -> "_Wanted":
        ring = want.revision if want.ring else 0
        if before is None:
            return cls(want, ring, now, want.opens)
        return cls(
            want, max(ring, before.ring_revision), before.desired_at, want.opens or before.opens
        )

    @property
    def values(self) -> bulk.Row:
        want = self.want
        return (
            want.incident_id,
            want.channel,
            want.priority,
            want.revision,
            self.ring_revision,
            self.desired_at,
        )


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


def _find_newest(dialect: str) -> bulk.Bulk:
    def make(asked: bulk.Columns) -> Select[Any]:
        # a join would let PostgreSQL read the whole table, of which it does not know how it grew
        newest = (
            select(incidents.c.document)
            .where(incidents.c.digest == asked["digest"])
            .order_by(incidents.c.id.desc())
            .limit(1)
        )
        return select(asked["digest"], newest.scalar_subquery())

    return bulk.bulk(dialect, incidents, ["digest"], make)


def _upsert_incidents(dialect: str) -> bulk.Bulk:
    names = [column.name for column in incidents.columns]
    changed = ("phase", "revision", "updated_at", "document", "size")

    def make(new: bulk.Columns) -> UpdateBase:
        rows = select(*new.values()).where(new["id"].is_not(None))
        insert = bulk.insert(dialect, incidents).from_select(names, rows)
        return insert.on_conflict_do_update(
            index_elements=["id"], set_={name: insert.excluded[name] for name in changed}
        )

    return bulk.bulk(dialect, incidents, names, make)


def _insert_history(dialect: str) -> bulk.Bulk:
    names = [column.name for column in history.columns]

    def make(new: bulk.Columns) -> UpdateBase:
        rows = select(*new.values()).where(new["id"].is_not(None))
        return history.insert().from_select(names, rows)

    return bulk.bulk(dialect, history, names, make)


def _upsert_outbox(dialect: str) -> bulk.Bulk:
    begun: Row = {name: literal_column(value) for name, value in _BEGINNING.items()}

    def make(new: bulk.Columns) -> UpdateBase:
        row = {**new, "next_attempt_at": new["desired_at"], **begun}
        rows = select(*row.values()).where(new["incident_id"].is_not(None))
        insert = bulk.insert(dialect, outbox).from_select(list(row), rows)
        return insert.on_conflict_do_update(
            index_elements=["incident_id", "channel"], set_=_changed_to(insert.excluded)
        )

    return bulk.bulk(dialect, outbox, _WANTED, make)


def _update_outbox(dialect: str) -> bulk.Bulk:
    def make(new: bulk.Columns) -> UpdateBase:
        return (
            update(outbox)
            .where(outbox.c.incident_id == new["incident_id"])
            .where(outbox.c.channel == new["channel"])
            .values(_changed_to(new))
        )

    return bulk.bulk(dialect, outbox, _WANTED, make)


def _changed_to(new: Any) -> Row:
    return changes(
        new["desired_revision"], new["ring_revision"], new["priority"], new["desired_at"]
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
