"""Reads the diary; every function works inside the transaction that it is given."""

from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select

from wiltonos_otel.longevity.dose import Unit
from wiltonos_otel.longevity.entries import Dose, Observation, Query, Stream, Total
from wiltonos_otel.longevity.schema import DOSES, WITHDRAWALS

_LATER = DOSES.alias("later")
_ENTRIES = (
    select(
        DOSES,
        WITHDRAWALS.c.withdrawn_ms,
        WITHDRAWALS.c.reason,
        _LATER.c.id.label("corrected_by"),
    )
    .outerjoin(WITHDRAWALS, WITHDRAWALS.c.dose_id == DOSES.c.id)
    .outerjoin(_LATER, _LATER.c.corrects == DOSES.c.id)
)


def by_id(connection: Connection, identity: int) -> Dose | None:
    """The dose with this id, or None."""
    row = connection.execute(_ENTRIES.where(DOSES.c.id == identity)).first()
    return _dose(row) if row is not None else None


def by_key(connection: Connection, key: str) -> tuple[int, str] | None:
    """Id and request digest of the dose that came with this idempotency key, or None."""
    columns = select(DOSES.c.id, DOSES.c.request_digest)
    row = connection.execute(columns.where(DOSES.c.idempotency_key == key)).first()
    return (row.id, row.request_digest) if row is not None else None


def find(connection: Connection, query: Query) -> list[Dose]:
    """The doses that match, by the time they were taken, newest first."""
    newest_first = _ENTRIES.order_by(DOSES.c.taken_ms.desc(), DOSES.c.id.desc())
    statement = newest_first.where(*_conditions(query)).limit(query.limit)
    return [_dose(row) for row in connection.execute(statement)]


def _conditions(query: Query) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if query.compound is not None:
        found.append(DOSES.c.compound == query.compound)
    if query.since_ms is not None:
        found.append(DOSES.c.taken_ms >= query.since_ms)
    if query.before is not None:
        taken, identity = query.before
        same_time = and_(DOSES.c.taken_ms == taken, DOSES.c.id < identity)
        found.append(or_(DOSES.c.taken_ms < taken, same_time))
    if not query.withdrawn:
        found.append(WITHDRAWALS.c.dose_id.is_(None))
    return found


def totals(connection: Connection) -> list[Total]:
    """Exact sums of what stands, by compound and unit."""
    statement = (
        select(DOSES.c.compound, DOSES.c.unit, DOSES.c.amount, DOSES.c.taken_ms)
        .outerjoin(WITHDRAWALS, WITHDRAWALS.c.dose_id == DOSES.c.id)
        .where(WITHDRAWALS.c.dose_id.is_(None))
        .order_by(DOSES.c.taken_ms)
    )
    found: dict[tuple[str, str], Total] = {}
    for compound, unit, amount, taken in connection.execute(statement):
        old = found.get((compound, unit))
        doses, so_far = (old.doses, old.amount) if old else (0, Decimal(0))
        found[compound, unit] = Total(
            compound, Unit(unit), doses + 1, so_far + Decimal(amount), taken
        )
    return [found[key] for key in sorted(found)]


def streams(connection: Connection) -> list[Stream]:
    """For each label the doses since its last withdrawal, in the order of first recording."""
    ends = (
        select(
            WITHDRAWALS.c.label,
            func.max(WITHDRAWALS.c.stream_after).label("after"),
            func.max(WITHDRAWALS.c.withdrawn_ms).label("at"),
        )
        .group_by(WITHDRAWALS.c.label)
        .subquery()
    )
    counted = func.count().filter(DOSES.c.id > func.coalesce(ends.c.after, 0))
    started = func.coalesce(func.max(ends.c.at), func.min(DOSES.c.recorded_ms))
    statement = (
        select(DOSES.c.label, counted, started)
        .outerjoin(ends, ends.c.label == DOSES.c.label)
        .group_by(DOSES.c.label)
        .order_by(func.min(DOSES.c.id))
    )
    return [Stream(label, count, at) for label, count, at in connection.execute(statement)]


def observations(connection: Connection) -> list[Observation]:
    """Every dose ever recorded, withdrawn or not, in the order of recording."""
    columns = (DOSES.c.label, DOSES.c.unit, DOSES.c.amount, DOSES.c.recorded_ms)
    rows = connection.execute(select(*columns).order_by(DOSES.c.id))
    return [Observation(label, Unit(unit), Decimal(amount), at) for label, unit, amount, at in rows]


def _dose(row: Row[Any]) -> Dose:
    return Dose(
        id=row.id,
        recorded_ms=row.recorded_ms,
        taken_ms=row.taken_ms,
        compound=row.compound,
        label=row.label,
        amount=Decimal(row.amount),
        unit=Unit(row.unit),
        given_amount=Decimal(row.given_amount),
        given_unit=row.given_unit,
        notes=row.notes,
        corrects=row.corrects,
        withdrawn_ms=row.withdrawn_ms,
        withdrawn_reason=row.reason or "",
        corrected_by=row.corrected_by,
    )
