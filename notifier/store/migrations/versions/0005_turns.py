"""An index in the order in which the rows of the outbox take their turns.

With the old one, the most urgent row was found by sorting every row that waits: a storm against
a chat that is away made each look dearer than the one before.

Revision ID: 0005
"""

from alembic import op
from sqlalchemy import text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Replace the index."""
    op.drop_index("outbox_by_due", "outbox")
    # the expressions stand in notifier/store/turns.py as they stand here
    turn = (
        "(CASE WHEN receipt_message = '' THEN 0"
        " WHEN delivered_revision < desired_revision THEN 1 ELSE 2 END)"
    )
    told = "(CASE WHEN delivered_revision > 0 THEN 1 ELSE 0 END)"
    order = [text(turn), text("priority DESC"), text(told), text("next_attempt_at")]
    op.create_index("outbox_by_turn", "outbox", ["channel", "state", *order])
