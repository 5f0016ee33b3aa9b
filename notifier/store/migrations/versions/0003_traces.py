"""The traces of failed attempts, to which the next one is linked.

Revision ID: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    tried = sa.Column("tried", sa.String(500), nullable=False, server_default="")
    op.add_column("outbox", tried)
