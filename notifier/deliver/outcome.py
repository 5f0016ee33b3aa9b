"""What became of one attempt to deliver: a closed vocabulary. Pure values.

The kinds become metric labels, log fields and reasons of dead letters as they are.
"""

from dataclasses import dataclass
from enum import StrEnum


class OutcomeKind(StrEnum):
    """Every end that an attempt can have."""

    DELIVERED = "delivered"
    RATE_LIMITED = "rate_limited"
    EDGE_BAN = "edge_ban"
    TRANSIENT = "transient"
    UNKNOWN = "unknown"
    PAYLOAD_REFUSED = "payload_refused"
    MESSAGE_GONE = "message_gone"
    DESTINATION_DEAD = "destination_dead"


class ChartEnd(StrEnum):
    """What became of a try to show a chart.

    UNANSWERED, EMPTY and NOT_DRAWN are of the picture: no answer from Prometheus, no data in it,
    no drawing. REFUSED and DELAYED are of the chat: it will not have the picture, or not now.
    LATE is given up, because messages went first for too long.
    """

    SHOWN = "shown"
    UNANSWERED = "unanswered"
    EMPTY = "empty"
    NOT_DRAWN = "not_drawn"
    REFUSED = "refused"
    DELAYED = "delayed"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class Receipt:
    """How to find a delivered message again.

    Attributes:
        destination: Slack channel id, or the id of the Discord webhook.
        message: Slack ``ts``, or the Discord message id; "" where the chat returns none.
        attachment: the chart that the message shows, as the chat calls it; "" without one.
            An edit with this receipt keeps it, so it has to be stored with the rest.
    """

    destination: str
    message: str
    attachment: str = ""

    @property
    def editable(self) -> bool:
        """Whether the message can be edited later."""
        return bool(self.message)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one attempt.

    Attributes:
        kind: which end.
        receipt: where the message is; only with DELIVERED.
        retry_after_seconds: how long the other side asks us to wait; None when it did not say.
        destination_wide: the wait concerns every channel of this destination, not only this one.
        detail: what the other side said, without secrets; for people.
    """

    kind: OutcomeKind
    receipt: Receipt | None = None
    retry_after_seconds: float | None = None
    destination_wide: bool = False
    detail: str = ""
