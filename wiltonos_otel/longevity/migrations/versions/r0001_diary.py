"""The diary: doses, withdrawals, and triggers that refuse to change either."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = ("doses", "withdrawals")


def upgrade() -> None:
    """Make both tables, their indexes and the append-only triggers."""
    _make_doses()
    _make_withdrawals()
    for table in TABLES:
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                "BEGIN SELECT RAISE(ABORT, 'the diary only grows'); END"
            )


def downgrade() -> None:
    """Drop the diary."""
    for table in reversed(TABLES):
        op.drop_table(table)


def _make_doses() -> None:
    op.create_table(
        "doses",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("recorded_ms", sa.Integer, nullable=False),
        sa.Column("taken_ms", sa.Integer, nullable=False),
        sa.Column("compound", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("amount", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("given_amount", sa.Text, nullable=False),
        sa.Column("given_unit", sa.Text, nullable=False),
        sa.Column("notes", sa.Text, nullable=False),
        sa.Column("corrects", sa.Integer, sa.ForeignKey("doses.id"), unique=True),
        sa.Column("idempotency_key", sa.Text, unique=True),
        sa.Column("request_digest", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("doses_by_time", "doses", ["taken_ms", "id"])
    op.create_index("doses_by_compound", "doses", ["compound", "taken_ms", "id"])
    op.create_index("doses_by_label", "doses", ["label", "id"])


def _make_withdrawals() -> None:
    op.create_table(
        "withdrawals",
        sa.Column("dose_id", sa.Integer, sa.ForeignKey("doses.id"), primary_key=True),
        sa.Column("withdrawn_ms", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("stream_after", sa.Integer, nullable=False),
    )
    op.create_index("withdrawals_by_label", "withdrawals", ["label"])
