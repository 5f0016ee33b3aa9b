"""Incidents to try a template with before a real one comes. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from notifier.alerts import AlertStatus
from notifier.incident.model import Incident, IncidentAlert, Phase
from notifier.render.card import Card, card
from notifier.render.context import RenderContext

_LASTED = timedelta(minutes=4)


def samples(context: RenderContext) -> Sequence[tuple[Card, Incident]]:
    """A firing incident with much to say, its end, and one of an alert that says nothing."""
    rich = {"summary": "A sample", "description": "Nothing is wrong.", "value": "0.80"}
    firing = _incident(_alert(context.now, {"alertname": "Sample", "severity": "warning"}, rich))
    resolved = _resolved(firing)
    bare = _incident(_alert(context.now, {}, {}))
    return [(card(each, context), each) for each in (firing, resolved, bare)]


def _alert(now: datetime, labels: dict[str, str], annotations: dict[str, str]) -> IncidentAlert:
    return IncidentAlert(
        fingerprint="sample",
        status=AlertStatus.FIRING,
        labels=labels,
        annotations=annotations,
        starts_at=now - _LASTED,
        ends_at=None,
        group_key="sample",
    )


def _incident(alert: IncidentAlert, phase: Phase = Phase.FIRING) -> Incident:
    ended = alert.ends_at if phase is Phase.RESOLVED else None
    return Incident(
        id="sample",
        receiver="sample",
        key="sample",
        group_keys=("sample",),
        labels=alert.labels,
        phase=phase,
        revision=1,
        opened_at=alert.starts_at,
        resolved_at=ended,
        alerts=(alert,),
    )


def _resolved(incident: Incident) -> Incident:
    (alert,) = incident.alerts
    ended = IncidentAlert(
        fingerprint=alert.fingerprint,
        status=AlertStatus.RESOLVED,
        labels=alert.labels,
        annotations=alert.annotations,
        starts_at=alert.starts_at,
        ends_at=alert.starts_at + _LASTED,
        group_key=alert.group_key,
    )
    return _incident(ended, Phase.RESOLVED)
