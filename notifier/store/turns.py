"""In which order the rows of a channel take their turns, found by an index."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
    Select,
    bindparam,
    literal_column,
    or_,
    select,
)

from notifier.deliver.protocol import Operation
from notifier.incident.severity import CRITICAL
from notifier.store.base import Allowance, RowState
from notifier.store.letters import died_with_destination
from notifier.store.tables import outbox

# word for word as in the index ``outbox_by_turn``, or the databases do not use it
_TURN: ColumnElement[int] = literal_column(
    "(CASE WHEN receipt_message = '' THEN 0"
    " WHEN delivered_revision < desired_revision THEN 1 ELSE 2 END)"
)
_TOLD: ColumnElement[int] = literal_column("(CASE WHEN delivered_revision > 0 THEN 1 ELSE 0 END)")
_TURNS: Mapping[Operation, int] = {Operation.POST: 0, Operation.EDIT: 1, Operation.REPLY: 2}
_ORDER = (outbox.c.priority.desc(), _TOLD, outbox.c.next_attempt_at)


def next_turn(
    connection: Connection, channel: str, now: int, allowance: Allowance
) -> Row[Any] | None:
    """The most urgent row that is due and allowed; locked where others could take it.

    The worst goes first, then what nobody has been told of, then what waits longest.
    """
    given = {"on": channel, "now": now}
    found = [
        connection.execute(
            _of(operation, operation not in allowance.normal, allowance.probing), given
        ).one_or_none()
        for operation in _TURNS
        if operation in allowance.normal or operation in allowance.urgent
    ]
    return min((row for row in found if row is not None), key=_place, default=None)


def next_operation(row: Row[Any]) -> Operation:
    """What a row wants done next; the same as ``_TURN``."""
    if not row.receipt_message:
        return Operation.POST
    if row.delivered_revision < row.desired_revision:
        return Operation.EDIT
    return Operation.REPLY


# made once: making a statement costs more than running it
@cache
def _of(operation: Operation, urgent_only: bool, probing: bool) -> Select[Any]:
    channel: BindParameter[str] = bindparam("on")
    now: BindParameter[int] = bindparam("now")
    query = (
        select(outbox)
        .where(outbox.c.channel == channel, literal_column(str(_TURNS[operation])) == _TURN)
        .where(outbox.c.lease_until <= now)
        .order_by(*_ORDER)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if urgent_only:
        query = query.where(outbox.c.priority >= CRITICAL)
    pending = outbox.c.state == RowState.PENDING.value
    if probing:
        return query.where(or_(pending, outbox.c.incident_id.in_(died_with_destination(channel))))
    return query.where(pending, outbox.c.next_attempt_at <= now)


def _place(row: Row[Any]) -> tuple[int, bool, int]:
    return (-row.priority, row.delivered_revision > 0, row.next_attempt_at)
