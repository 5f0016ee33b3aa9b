"""Sends messages to chats and says what became of them.

The values and protocols stand here; ``notifier.deliver.factory.build`` makes deliverers and
``notifier.deliver.http.open_session`` the session that they share, so that pure code can name an
outcome without loading the clients of the chats.
"""

from notifier.deliver.outcome import Outcome, OutcomeKind, Receipt
from notifier.deliver.protocol import (
    Chart,
    Charting,
    Deliverer,
    Operation,
    Paced,
    Removing,
    Rendered,
)

__all__ = [
    "Chart",
    "Charting",
    "Deliverer",
    "Operation",
    "Outcome",
    "OutcomeKind",
    "Paced",
    "Receipt",
    "Removing",
    "Rendered",
]
