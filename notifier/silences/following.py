"""What Alertmanager's lists say of an incident. Pure.

Alertmanager tells nothing of an alert while a silence holds it back, not even its end, so both
have to be read from its API.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from notifier.incident import Incident, Quiet, QuietKind
from notifier.silences.model import NO_COMMENT, ListedAlert, Silence

# Prometheus sends what fires again each minute (its notifier, --rules.alert.resend-delay), and
# Alertmanager knows nothing of it until then when it has just started
ABSENT_SECONDS = 90.0
# the end of what nothing holds back is told within group_interval, five minutes by default, and so
# late only where it never will be: it came while an inhibition held it back, was cut off by
# max_alerts, or Alertmanager lost what it knew
UNTOLD_SECONDS = 900.0
STARTED_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Note:
    """What we remember of a silence that was asked for here.

    Attributes:
        id: Alertmanager's.
        kind: an acknowledgement is renewed while the incident fires.
    """

    id: str
    incident_id: str
    kind: QuietKind


@dataclass(frozen=True, slots=True)
class Lists:
    """What Alertmanager knows: what fires, by fingerprint, and its silences, by id."""

    alerts: Mapping[str, ListedAlert]
    silences: Mapping[str, Silence]
    notes: Mapping[str, Note]


def quiet_of(incident: Incident, lists: Lists, now: datetime) -> Quiet | None:
    """How an incident is held back: all its listed alerts by a silence; None when it is not.

    Nothing of it being listed leaves what was known, since it may be about to resolve.
    """
    listed = [lists.alerts[fp] for fp in _firing(incident) if fp in lists.alerts]
    if not listed:
        return incident.quiet
    covering = [_longest(alert.silenced_by, lists.silences) for alert in listed]
    if not all(covering):
        return None
    silence = min((each for each in covering if each), key=lambda each: each.ends_at)
    note = lists.notes.get(silence.id)
    known = incident.quiet
    return Quiet(
        kind=note.kind if note else QuietKind.SILENCED,
        by=silence.created_by,
        until=silence.ends_at,
        comment="" if silence.comment == NO_COMMENT else silence.comment,
        silence_id=silence.id,
        ours=note is not None and note.incident_id == incident.id,
        since=known.since if known and known.silence_id == silence.id else now,
    )


def differs(one: Quiet | None, other: Quiet | None) -> bool:
    """Whether a reader would see a difference; the end of an acknowledgement is not shown."""
    return _seen(one) != _seen(other)


def absent(incident: Incident, lists: Lists) -> frozenset[str]:
    """The fingerprints that fire as far as we were told, and that Alertmanager does not list."""
    return frozenset(fp for fp in _firing(incident) if fp not in lists.alerts)


def long_absent(since: Mapping[str, datetime], now: datetime, seconds: float) -> frozenset[str]:
    """Those that have been absent for so long that they have resolved."""
    return frozenset(fp for fp, at in since.items() if now - at >= timedelta(seconds=seconds))


def _firing(incident: Incident) -> Iterable[str]:
    return (alert.fingerprint for alert in incident.firing)


def _longest(ids: Iterable[str], silences: Mapping[str, Silence]) -> Silence | None:
    known = [silences[each] for each in ids if each in silences]
    return max(known, key=lambda silence: silence.ends_at, default=None)


def _seen(quiet: Quiet | None) -> object:
    if quiet is None:
        return None
    # Alertmanager keeps milliseconds
    until = None if quiet.kind is QuietKind.ACKNOWLEDGED else int(quiet.until.timestamp())
    return quiet.kind, quiet.by, until, quiet.comment, quiet.ours, quiet.resolved_unseen
