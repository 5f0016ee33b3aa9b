"""The tables of the diary. Rows are only ever added; triggers of the migration see to that."""

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)

METADATA = MetaData()

# times are Unix milliseconds; amounts are decimal text, because they are exact
DOSES = Table(
    "doses",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("recorded_ms", Integer, nullable=False),
    Column("taken_ms", Integer, nullable=False),
    Column("compound", Text, nullable=False),
    # the metric label: the compound, or the overflow label where there are too many compounds
    Column("label", Text, nullable=False),
    Column("amount", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("given_amount", Text, nullable=False),
    Column("given_unit", Text, nullable=False),
    Column("notes", Text, nullable=False),
    Column("corrects", Integer, ForeignKey("doses.id"), unique=True),
    Column("idempotency_key", Text, unique=True),
    Column("request_digest", Text, nullable=False),
    sqlite_autoincrement=True,
)
Index("doses_by_time", DOSES.c.taken_ms, DOSES.c.id)
Index("doses_by_compound", DOSES.c.compound, DOSES.c.taken_ms, DOSES.c.id)
Index("doses_by_label", DOSES.c.label, DOSES.c.id)

WITHDRAWALS = Table(
    "withdrawals",
    METADATA,
    Column("dose_id", Integer, ForeignKey("doses.id"), primary_key=True),
    Column("withdrawn_ms", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("label", Text, nullable=False),
    # the label's counter starts anew and counts the doses with a higher id
    Column("stream_after", Integer, nullable=False),
)
Index("withdrawals_by_label", WITHDRAWALS.c.label)
