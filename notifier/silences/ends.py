"""Ends that were read from Alertmanager's list, because it does not tell them. Pure.

Alertmanager remembers of each group what it has told. Of an end that a silence or an inhibition
held back it knows nothing there, so the alert that fires again is one that it has told already: it
says nothing before ``repeat_interval`` is over (its notify/dedup_stage.go). Whoever read the end
has to read the next beginning, too.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from notifier.incident import Incident
from notifier.silences.model import ListedAlert

# for so long Alertmanager remembers what it has told (--data.retention)
KEPT = timedelta(hours=120)
MOST_KEPT = 5000


@dataclass(frozen=True, slots=True)
class ReadEnd:
    """An alert whose end was read.

    Attributes:
        receiver: of its incident.
        at: when it was read.
    """

    incident_id: str
    receiver: str
    fingerprint: str
    at: datetime


def still_kept(
    ends: Iterable[ReadEnd], firing: Iterable[Incident], now: datetime
) -> tuple[ReadEnd, ...]:
    """The ends after which a beginning may go untold: what fires has been told."""
    told = {(each.receiver, alert.fingerprint) for each in firing for alert in each.firing}
    kept = [e for e in ends if now - e.at < KEPT and (e.receiver, e.fingerprint) not in told]
    return tuple(kept[-MOST_KEPT:])


def begun_again(
    ends: Iterable[ReadEnd], alerts: Mapping[str, ListedAlert]
) -> Mapping[str, Collection[str]]:
    """Incident → fingerprints that Alertmanager lists again, and that nothing holds back."""
    found: dict[str, list[str]] = {}
    for end in ends:
        listed = alerts.get(end.fingerprint)
        if listed is not None and listed.active:
            found.setdefault(end.incident_id, []).append(end.fingerprint)
    return found
