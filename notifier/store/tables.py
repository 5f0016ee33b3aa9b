"""The tables, as SQLAlchemy Core sees them; instants are microseconds since 1970, UTC.

The migrations make them; a test compares the two. One index stands in the migrations alone, since
its expressions cannot be compared: ``outbox_by_turn``.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

incidents = Table(
    "incidents",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("phase", String(16), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Index("incidents_by_digest", "digest", "id"),
    Index("incidents_by_phase", "phase", "id"),
)

history = Table(
    "history",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("incident_id", String(32), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("reasons", String(200), nullable=False),
    Column("body", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Index("history_by_incident", "incident_id", "id"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("incident_id", String(32), primary_key=True),
    Column("channel", String(64), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("desired_revision", Integer, nullable=False),
    Column("delivered_revision", Integer, nullable=False),
    Column("ring_revision", Integer, nullable=False),
    Column("rung_revision", Integer, nullable=False),
    Column("desired_at", BigInteger, nullable=False),
    Column("next_attempt_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("reposts", Integer, nullable=False),
    Column("in_flight", String(16), nullable=False),
    Column("in_flight_revision", Integer, nullable=False),
    Column("lease_owner", String(64), nullable=False),
    Column("lease_until", BigInteger, nullable=False),
    Column("receipt_destination", String(200), nullable=False),
    Column("receipt_message", String(200), nullable=False),
    Column("receipt_attachment", String(200), nullable=False),
    Column("shown", String(32), nullable=False),
    Column("last_error", Text, nullable=False),
    # contexts of failed attempts, separated by spaces
    Column("tried", String(500), nullable=False, server_default=""),
    Column("chart", String(32), nullable=False, server_default=""),
    Column("chart_tried", String(32), nullable=False, server_default=""),
    Column("chart_tries", Integer, nullable=False, server_default="0"),
    Column("chart_due_at", BigInteger, nullable=False, server_default="0"),
    Index("outbox_by_chart", "channel", "chart_due_at"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("incident_id", String(32)),
    Column("channel", String(64)),
    Column("reason", String(64), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("payload", Text, nullable=False),
    Column("size", Integer, nullable=False),
    UniqueConstraint("incident_id", "channel", "reason", name="one_letter_each"),
)

channels = Table(
    "channels",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("stopped", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("not_before", BigInteger, nullable=False),
)

meta = Table(
    "meta",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)

silences = Table(
    "silences",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("incident_id", String(32), nullable=False),
    Column("kind", String(16), nullable=False),
)

used_links = Table(
    "used_links",
    metadata,
    Column("nonce", String(64), primary_key=True),
    Column("expires_at", BigInteger, nullable=False),
)
