"""The charts of delivered messages: which one is shown, which is due.

Revision ID: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the columns; a message of before wants no chart until it is edited."""
    for column in (
        sa.Column("chart", sa.String(32), nullable=False, server_default=""),
        sa.Column("chart_tried", sa.String(32), nullable=False, server_default=""),
        sa.Column("chart_tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("chart_due_at", sa.BigInteger, nullable=False, server_default="0"),
    ):
        op.add_column("outbox", column)
    op.create_index("outbox_by_chart", "outbox", ["channel", "chart_due_at"])
