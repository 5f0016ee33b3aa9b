"""The step that a notification makes an incident take. Pure.

What is known of an alert grows along one order: an observation counts by the instant that it is
about (the start of a firing alert, the end of a resolved one), and the later one wins. The order
of arrival, repetitions and a second Alertmanager therefore make no difference to the outcome.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from notifier.alerts import Alert, AlertStatus, Notification
from notifier.incident.identity import Identity, identify
from notifier.incident.model import KEPT_TRACES, Incident, IncidentAlert, Phase, Trace
from notifier.incident.reason import Reason
from notifier.incident.severity import worst

# Alertmanager retries one notification for max(group_interval, 10 s), 5 minutes by default
# (notify/notify.go): a "firing" of before the end that arrives so much later than the end was
# reported is no straggler but an alert that went on while Alertmanager had timed it out.
STRAGGLER_SECONDS = 300.0
# what was seen so much later than now was seen before a clock was set back; less is the difference
# between two replicas
CLOCK_SECONDS = 10.0
# an incident that lives for weeks must not grow for ever
KEPT_RESOLVED = 500
_ZERO_YEAR = 1
_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Step:
    """What a notification did.

    Attributes:
        incident: the incident after it; None when there is none and nothing was said.
        reasons: what the notification said; never empty.
        changed: whether a reader would see a difference; the revision has then grown by one.
    """

    incident: Incident | None
    reasons: frozenset[Reason]
    changed: bool


@dataclass(frozen=True, slots=True)
class _Fold:
    """The observations that count, and what each observation said."""

    newer: Mapping[str, IncidentAlert]
    reasons: frozenset[Reason]


def step(  # noqa: PLR0917 - two values and four terms, named at every call
    incident: Incident | None,
    notification: Notification,
    incident_by: Sequence[str],
    now: datetime,
    reopen_seconds: float,
    id_factory: Callable[[], str],
) -> Step:
    """Let an incident take a notification in.

    Args:
        incident: the newest incident of the notification's identity, resolved ones included.
        notification: what was reported.
        incident_by: the labels that fold groups into one incident.
        now: aware UTC.
        reopen_seconds: an alert that fires again this soon after the end re-opens the incident.
        id_factory: makes the id of a new incident.
    """
    seen = {alert.fingerprint: _observe(alert, notification, now) for alert in notification.alerts}
    if not seen:
        return Step(incident, frozenset({Reason.EMPTY}), changed=False)
    known = _known(incident) if incident else {}
    fold = _fold(known, seen, now)
    identity = identify(notification, incident_by)
    if incident is None or _over(incident, fold, now, reopen_seconds):
        earlier = _stragglers(known, fold, now)
        return _open(identity, notification, fold, now, id_factory, earlier)
    return _go_on(incident, notification, fold, now)


def _known(incident: Incident) -> dict[str, IncidentAlert]:
    return {alert.fingerprint: alert for alert in (*incident.earlier, *incident.alerts)}


def _stragglers(
    known: Mapping[str, IncidentAlert], fold: _Fold, now: datetime
) -> tuple[IncidentAlert, ...]:
    """The ends that a delayed "firing" could still contradict."""
    if not known:
        return ()
    since = now - timedelta(seconds=STRAGGLER_SECONDS)
    kept = [
        alert
        for fingerprint, alert in known.items()
        if alert.ends_at and fingerprint not in fold.newer and (alert.seen_at or now) >= since
    ]
    return tuple(kept[-KEPT_RESOLVED:])


def _observe(alert: Alert, notification: Notification, now: datetime) -> IncidentAlert:
    resolved = alert.status is AlertStatus.RESOLVED
    ends_at = _or_now(alert.ends_at, now) if resolved else None
    return IncidentAlert(
        fingerprint=alert.fingerprint,
        status=alert.status,
        labels=alert.labels,
        annotations=alert.annotations,
        starts_at=_or_now(alert.starts_at, ends_at or now),
        ends_at=ends_at,
        group_key=notification.group_key,
        generator_url=alert.generator_url,
        seen_at=now,
    )


def _or_now(instant: datetime | None, now: datetime) -> datetime:
    return now if instant is None or instant.year == _ZERO_YEAR else instant


def _instant(alert: IncidentAlert) -> tuple[datetime, bool]:
    """Where an observation stands in the order; an end wins over a start at the same instant."""
    return (alert.ends_at, True) if alert.ends_at else (alert.starts_at, False)


def _fold(
    known: Mapping[str, IncidentAlert], seen: Mapping[str, IncidentAlert], now: datetime
) -> _Fold:
    newer, reasons = {}, set()
    for fingerprint, observed in seen.items():
        before = known.get(fingerprint)
        after = observed if before is None else _later(before, observed, now)
        if after is before:
            same = before is not None and before.status is observed.status
            reasons.add(Reason.REPEATED if same else Reason.STALE)
            continue
        newer[fingerprint] = after
        reasons.add(_said(before, after))
    return _Fold(newer, frozenset(reasons))


def _later(before: IncidentAlert, observed: IncidentAlert, now: datetime) -> IncidentAlert:
    """The one of the two that counts; ``before`` itself when nothing is new."""
    if _instant(observed) > _instant(before):
        return observed
    seen_at = before.seen_at or now
    passed = (now - seen_at).total_seconds()
    if before.status is observed.status:
        late = passed > STRAGGLER_SECONDS and _told_anew(before, observed)
        return replace(before, annotations=observed.annotations) if late else before
    if passed < -CLOCK_SECONDS:
        # the instants of then say nothing about now
        return observed
    return _overdue(before, observed, seen_at) if passed > STRAGGLER_SECONDS else before


def _told_anew(before: IncidentAlert, after: IncidentAlert) -> bool:
    """Whether something else is said of an alert that goes on; the last word on an end stands."""
    return after.ends_at is None and before.annotations != after.annotations


def _overdue(before: IncidentAlert, observed: IncidentAlert, seen_at: datetime) -> IncidentAlert:
    """The one that counts of two in the wrong order, the latter too late to be a straggler."""
    if before.ends_at is not None:
        return replace(observed, starts_at=before.ends_at + _MOMENT)
    if before.starts_at > seen_at:
        # it began in the future, by a clock that was set back since: no end would ever be later
        return replace(observed, ends_at=before.starts_at + _MOMENT)
    return before


def _said(before: IncidentAlert | None, after: IncidentAlert) -> Reason:
    if before is not None and before.status is after.status:
        return Reason.UPDATED if _told_anew(before, after) else Reason.REPEATED
    if after.status is AlertStatus.RESOLVED:
        return Reason.PARTLY_RESOLVED
    return Reason.NEW_ALERT if before is None else Reason.REFIRED


def _over(incident: Incident, fold: _Fold, now: datetime, reopen_seconds: float) -> bool:
    """Whether what fires began so long after the end that it is another incident.

    The alert's own start counts, so that a late delivery makes no difference; one that went on
    through a timeout began, for the reader, now.
    """
    ended = incident.resolved_at
    if ended is None or not _fires(fold.newer):
        return False
    firing = [alert.starts_at for alert in fold.newer.values() if alert.ends_at is None]
    began = min(now, *(start if start > ended + _MOMENT else now for start in firing))
    return began - ended > timedelta(seconds=reopen_seconds)


def _fires(alerts: Mapping[str, IncidentAlert]) -> bool:
    return any(alert.status is AlertStatus.FIRING for alert in alerts.values())


def _open(  # noqa: PLR0917 - one call, beside the values' own names
    identity: Identity,
    notification: Notification,
    fold: _Fold,
    now: datetime,
    id_factory: Callable[[], str],
    earlier: tuple[IncidentAlert, ...],
) -> Step:
    alerts = tuple(fold.newer.values())
    firing = _fires(fold.newer)
    incident = Incident(
        id=id_factory(),
        receiver=identity.receiver,
        key=identity.key,
        group_keys=(notification.group_key,),
        labels=identity.labels,
        phase=Phase.FIRING if firing else Phase.RESOLVED,
        revision=1,
        opened_at=min(now, *(alert.starts_at for alert in alerts)),
        resolved_at=None if firing else _end(alerts, now),
        alerts=alerts,
        truncated_alerts=notification.truncated_alerts,
        external_url=notification.external_url,
        traces=_traced((), 1, notification),
        annotations=_common_annotations(alerts),
        earlier=earlier,
    )
    reasons = {Reason.FIRST, Reason.NEW_ALERT} if firing else {Reason.FIRST, Reason.RESOLVED}
    return Step(incident, frozenset(reasons), changed=True)


def _go_on(incident: Incident, notification: Notification, fold: _Fold, now: datetime) -> Step:
    shown = {alert.fingerprint: alert for alert in incident.alerts}
    alerts = _bounded(tuple({**shown, **fold.newer}.values()))
    after = replace(incident, alerts=alerts, group_keys=_joined(incident, notification))
    after = replace(after, phase=Phase.FIRING if after.firing else Phase.RESOLVED)
    reasons = _reasons(incident, after, notification, fold)
    changed = bool(reasons - {Reason.REPEATED, Reason.STALE})
    if not changed:
        return Step(after, reasons, changed=False)
    after = replace(
        after,
        revision=incident.revision + 1,
        resolved_at=None if after.firing else _end(alerts, now),
        reopened=incident.reopened + (Reason.REOPENED in reasons),
        truncated_alerts=notification.truncated_alerts,
        external_url=notification.external_url,
        traces=_traced(incident.traces, incident.revision + 1, notification),
        annotations=_common_annotations(after.firing or alerts),
        quiet=None if Reason.REOPENED in reasons else incident.quiet,
    )
    return Step(after, reasons, changed=True)


def _reasons(
    before: Incident, after: Incident, notification: Notification, fold: _Fold
) -> frozenset[Reason]:
    reasons = set(fold.reasons)
    if before.phase is not after.phase:
        ended = after.phase is Phase.RESOLVED
        reasons -= {Reason.PARTLY_RESOLVED} if ended else {Reason.NEW_ALERT, Reason.REFIRED}
        reasons.add(Reason.RESOLVED if ended else Reason.REOPENED)
    elif after.firing and worst(after.firing) > worst(before.firing):
        reasons.add(Reason.WORSE)
    if notification.truncated_alerts > before.truncated_alerts:
        reasons.add(Reason.TRUNCATED)
    news = reasons - {Reason.REPEATED, Reason.STALE}
    return frozenset(news or reasons)


def _traced(
    known: tuple[Trace, ...], revision: int, notification: Notification
) -> tuple[Trace, ...]:
    if not notification.traceparent:
        return known
    return (*known, Trace(revision, notification.traceparent))[-KEPT_TRACES:]


def _joined(incident: Incident, notification: Notification) -> tuple[str, ...]:
    keys = incident.group_keys
    return keys if notification.group_key in keys else (*keys, notification.group_key)


def _end(alerts: tuple[IncidentAlert, ...], now: datetime) -> datetime:
    return min(now, max((alert.ends_at for alert in alerts if alert.ends_at), default=now))


def _bounded(alerts: tuple[IncidentAlert, ...]) -> tuple[IncidentAlert, ...]:
    resolved = [alert for alert in alerts if alert.ends_at is not None]
    if len(resolved) <= KEPT_RESOLVED:
        return alerts
    oldest = sorted(resolved, key=_instant)[: len(resolved) - KEPT_RESOLVED]
    dropped = {alert.fingerprint for alert in oldest}
    return tuple(alert for alert in alerts if alert.fingerprint not in dropped)


def _common_annotations(alerts: tuple[IncidentAlert, ...]) -> Mapping[str, str]:
    first, *others = alerts
    return {
        name: value
        for name, value in first.annotations.items()
        if all(alert.annotations.get(name) == value for alert in others)
    }
