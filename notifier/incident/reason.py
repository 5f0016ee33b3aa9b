"""Why a notification or a silence changed an incident, or did not: a closed vocabulary. Pure.

The values become metric labels, log fields and entries of the history as they are.
"""

from enum import StrEnum


class Reason(StrEnum):
    """One thing that was said about an incident."""

    FIRST = "first"
    NEW_ALERT = "new_alert"
    WORSE = "worse"
    REFIRED = "refired"
    PARTLY_RESOLVED = "partly_resolved"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    UPDATED = "updated"
    TRUNCATED = "truncated"
    REPEATED = "repeated"
    STALE = "stale"
    EMPTY = "empty"
    SILENCED = "silenced"
    ACKNOWLEDGED = "acknowledged"
    SILENCE_CHANGED = "silence_changed"
    SILENCE_ENDED = "silence_ended"


# worth a short message that rings, where the living message alone would change silently
RINGING = frozenset({Reason.NEW_ALERT, Reason.WORSE, Reason.REOPENED})
