"""How bad a severity is, so that "worse" and "critical first" mean something. Pure."""

from collections.abc import Iterable

from notifier.incident.model import IncidentAlert

_RANKS = {
    "critical": 4,
    "page": 4,
    "emergency": 4,
    "fatal": 4,
    "error": 3,
    "high": 3,
    "major": 3,
    "warning": 2,
    "warn": 2,
    "medium": 2,
    "info": 1,
    "low": 1,
    "notice": 1,
    "none": 0,
}
# a severity that we do not know, or none at all, may be anything: as bad as a warning
_UNKNOWN = 2
CRITICAL = 4


def rank(severity: str) -> int:
    """0 (none) to 4 (critical)."""
    return _RANKS.get(severity.lower(), _UNKNOWN)


def worst(alerts: Iterable[IncidentAlert]) -> int:
    """The highest rank among the alerts; 0 without any."""
    return max((rank(alert.severity) for alert in alerts), default=0)
