"""What the notifier shows of itself, as JSON; times are RFC 3339, UTC. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from aiohttp import web

from notifier.incident import Incident, IncidentAlert
from notifier.silences.links import without_links
from notifier.store.base import DeadLetter, DeliveryRow, IncidentView

Document = dict[str, Any]


def incident_document(view: IncidentView) -> Document:
    """One incident with its deliveries."""
    incident = view.incident
    return {
        "id": incident.id,
        "receiver": incident.receiver,
        "group_keys": list(incident.group_keys),
        "labels": dict(incident.labels),
        "phase": incident.phase.value,
        "revision": incident.revision,
        "opened_at": instant(incident.opened_at),
        "resolved_at": instant(incident.resolved_at),
        "reopened": incident.reopened,
        "truncated_alerts": incident.truncated_alerts,
        "alerts": [_alert(alert) for alert in _ordered(incident)],
        "deliveries": [_delivery(row) for row in view.deliveries],
    }


def _ordered(incident: Incident) -> list[IncidentAlert]:
    return sorted(incident.alerts, key=lambda a: (a.ends_at is not None, a.starts_at))


def _alert(alert: IncidentAlert) -> Document:
    return {
        "fingerprint": alert.fingerprint,
        "status": alert.status.value,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "starts_at": instant(alert.starts_at),
        "ends_at": instant(alert.ends_at),
    }


def _delivery(row: DeliveryRow) -> Document:
    receipt = row.receipt
    return {
        "channel": row.channel,
        "state": row.state.value,
        "revision": row.revision,
        "receipt": {"destination": receipt.destination, "message": receipt.message}
        if receipt
        else None,
        "attempts": row.attempts,
        "next_attempt_at": instant(row.next_attempt_at),
        "last_error": row.last_error or None,
    }


def letter_document(letter: DeadLetter, *, whole: bool = False) -> Document:
    """One dead letter; ``whole`` adds the payload."""
    document = {
        "id": letter.id,
        "kind": letter.kind.value,
        "incident_id": letter.incident_id,
        "channel": letter.channel,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "last_error": letter.last_error,
        "created_at": instant(letter.created_at),
    }
    return {**document, "payload": without_links(letter.payload)} if whole else document


def instant(moment: datetime | None) -> str | None:
    """RFC 3339 with milliseconds, UTC."""
    if moment is None:
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def answer(document: Mapping[str, Any], status: int = 200) -> web.Response:
    """The document as a response that no cache keeps."""
    return web.Response(
        body=orjson.dumps(document),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
