"""The rows of the outbox: lease one, settle it, stop and resume a channel."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, assert_never

from sqlalchemy import Connection, Row, and_, case, func, select, update

from notifier.deliver.outcome import Receipt
from notifier.deliver.protocol import Operation
from notifier.incident import Reason
from notifier.incident.severity import CRITICAL
from notifier.store.base import (
    Allowance,
    Claim,
    Dead,
    Delivered,
    Doubt,
    Later,
    Lease,
    RowState,
    Settlement,
)
from notifier.store.charts import marks
from notifier.store.documents import decode
from notifier.store.instants import from_micros, to_micros
from notifier.store.letters import bury, forget
from notifier.store.tables import history, incidents, outbox
from notifier.store.turns import next_operation, next_turn

_PENDING = outbox.c.state == RowState.PENDING.value


def claim(connection: Connection, channel: str, lease: Lease, allowance: Allowance) -> Claim | None:
    """Lease the most urgent row of a channel that is due, allowed, and nobody else's."""
    micros = to_micros(lease.now)
    row = next_turn(connection, channel, micros, allowance)
    if row is None:
        return None
    operation = next_operation(row)
    connection.execute(
        update(outbox)
        .where(_is(row.incident_id, row.channel))
        .values(
            state=RowState.PENDING.value,
            lease_owner=lease.owner,
            lease_until=to_micros(lease.now + timedelta(seconds=lease.seconds)),
            in_flight=operation.value,
            in_flight_revision=row.desired_revision,
        )
    )
    document = select(incidents.c.document).where(incidents.c.id == row.incident_id)
    claimed = _claimed(row, lease.owner, operation, connection.execute(document).scalar_one())
    if operation is not Operation.REPLY:
        return claimed
    return replace(claimed, reasons=_reasons(connection, claimed))


def _reasons(connection: Connection, claimed: Claim) -> frozenset[Reason]:
    query = (
        select(history.c.reasons)
        .where(history.c.incident_id == claimed.incident.id)
        .where(history.c.revision > claimed.rung_revision)
    )
    said = connection.execute(query).scalars()
    return frozenset(Reason(reason) for line in said for reason in line.split(","))


def _claimed(row: Row[Any], owner: str, operation: Operation, document: str) -> Claim:
    doubt = Doubt(Operation(row.in_flight), row.in_flight_revision) if row.in_flight else None
    return Claim(
        incident=decode(document),
        channel=row.channel,
        owner=owner,
        operation=operation,
        delivered_revision=row.delivered_revision,
        ring_revision=row.ring_revision,
        rung_revision=row.rung_revision,
        receipt=receipt_of(row),
        shown=row.shown,
        doubt=doubt,
        attempts=row.attempts,
        reposts=row.reposts,
        desired_at=from_micros(row.desired_at),
        due_at=from_micros(row.next_attempt_at),
        urgent=row.priority >= CRITICAL,
        tried=tuple(row.tried.split()),
    )


def receipt_of(row: Row[Any]) -> Receipt | None:
    """The receipt that a row holds; None before the first message."""
    if not row.receipt_destination:
        return None
    return Receipt(row.receipt_destination, row.receipt_message, row.receipt_attachment)


def settle(connection: Connection, claimed: Claim, settlement: Settlement, now: datetime) -> bool:
    """Write what became of a claim; False when the lease went to somebody else meanwhile."""
    match settlement:
        case Delivered():
            values = _delivered(claimed, settlement, now)
        case Later():
            values = _later(claimed, settlement)
        case Dead():
            values = _dead(claimed, settlement)
        case _:
            assert_never(settlement)
    mine = _is(claimed.incident.id, claimed.channel) & (outbox.c.lease_owner == claimed.owner)
    done = connection.execute(
        update(outbox).where(mine).values(lease_owner="", lease_until=0, **values)
    )
    if done.rowcount == 0:
        return False
    if isinstance(settlement, Dead):
        bury(connection, claimed, settlement, now)
    elif isinstance(settlement, Delivered):
        forget(connection, claimed)
        _finish(connection, claimed)
    return True


def _delivered(claimed: Claim, settlement: Delivered, now: datetime) -> dict[str, Any]:
    receipt = settlement.receipt
    return {
        **marks(claimed.incident, now),
        # what is still to be shown was accepted later than what is shown
        "desired_at": max(to_micros(at) for at in (claimed.desired_at, *_seen(claimed))) + 1,
        "delivered_revision": settlement.revision,
        "rung_revision": settlement.rung_revision,
        "receipt_destination": receipt.destination,
        "receipt_message": receipt.message,
        "receipt_attachment": receipt.attachment,
        "shown": settlement.shown,
        "attempts": 0,
        "reposts": 0,
        "in_flight": "",
        "next_attempt_at": to_micros(now),
        "last_error": "",
        "tried": "",
    }


def _seen(claimed: Claim) -> Iterator[datetime]:
    return (alert.seen_at for alert in claimed.incident.alerts if alert.seen_at is not None)


def _finish(connection: Connection, claimed: Claim) -> None:
    """Close the row if nothing newer has come and nothing has to ring any more."""
    connection.execute(
        update(outbox)
        .where(_is(claimed.incident.id, claimed.channel))
        .where(outbox.c.delivered_revision >= outbox.c.desired_revision)
        .where(outbox.c.rung_revision >= outbox.c.ring_revision)
        .values(state=RowState.DELIVERED.value)
    )


def _later(claimed: Claim, settlement: Later) -> dict[str, Any]:
    values: dict[str, Any] = {
        "next_attempt_at": to_micros(settlement.at),
        "attempts": claimed.attempts + settlement.spent,
        "reposts": claimed.reposts + settlement.reposted,
        "last_error": settlement.error,
        "tried": " ".join(settlement.tried),
    }
    doubt = settlement.doubt
    values["in_flight"] = doubt.operation.value if doubt else ""
    values["in_flight_revision"] = doubt.revision if doubt else 0
    if settlement.receipt_lost:
        values |= {
            "receipt_destination": "",
            "receipt_message": "",
            "receipt_attachment": "",
            "delivered_revision": 0,
            "chart": "",
            "chart_tried": "",
            "chart_tries": 0,
        }
    return values


def _dead(claimed: Claim, settlement: Dead) -> dict[str, Any]:
    return {
        "state": RowState.DEAD.value,
        "attempts": claimed.attempts + 1,
        "in_flight": "",
        "last_error": settlement.error,
    }


def let_go(connection: Connection, channel: str, owner: str) -> int:
    """End the leases of that owner; what was noted as in flight stays in doubt."""
    held = and_(outbox.c.channel == channel, outbox.c.lease_owner == owner)
    values = {"lease_owner": "", "lease_until": 0}
    return connection.execute(update(outbox).where(held).values(values)).rowcount


def release(connection: Connection) -> int:
    """End every lease; what was in flight stays in doubt."""
    held = outbox.c.lease_owner != ""
    values = {"lease_owner": "", "lease_until": 0}
    return connection.execute(update(outbox).where(held).values(values)).rowcount


def hurry(connection: Connection, channel: str, now: datetime, beyond_seconds: float) -> int:
    """Make every row of the channel due that waits for longer than that."""
    bound = to_micros(now + timedelta(seconds=beyond_seconds))
    waiting = and_(outbox.c.channel == channel, _PENDING, outbox.c.next_attempt_at > bound)
    values = {"next_attempt_at": to_micros(now)}
    return connection.execute(update(outbox).where(waiting).values(values)).rowcount


def next_due(connection: Connection, channel: str) -> datetime | None:
    """When the next row of the channel becomes due, leases counted; None without any."""
    due, leased = outbox.c.next_attempt_at, outbox.c.lease_until
    query = select(func.min(case((due > leased, due), else_=leased))).where(
        outbox.c.channel == channel, _PENDING
    )
    micros = connection.execute(query).scalar_one_or_none()
    return None if micros is None else from_micros(micros)


def _is(incident_id: str, channel: str) -> Any:
    return and_(outbox.c.incident_id == incident_id, outbox.c.channel == channel)
