"""Incidents as JSON documents. Pure."""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any

import orjson

from notifier.alerts import AlertStatus
from notifier.incident import Incident, IncidentAlert, Phase, Quiet, QuietKind, Trace

# as orjson writes a datetime: +00:00, or Z where others read it
_OPTIONS = orjson.OPT_UTC_Z


# JSON that is read or written in one piece holds every other thread up until it is done: so many
# alerts are written at a time, and a longer document is read with a call back for each object
MANY = 2_000
LARGE_CHARACTERS = 1_000_000


def encode(incident: Incident) -> str:
    """The incident as one JSON document."""
    # orjson writes dataclasses, enumerations and instants by itself
    if len(incident.alerts) <= MANY:
        return orjson.dumps(incident, option=_OPTIONS).decode()
    named = {each.name: getattr(incident, each.name) for each in fields(incident)}
    pieces = (incident.alerts[at : at + MANY] for at in range(0, len(incident.alerts), MANY))
    listed = b",".join(orjson.dumps(piece, option=_OPTIONS)[1:-1] for piece in pieces)
    named["alerts"] = orjson.Fragment(b"[%b]" % listed)
    return orjson.dumps(named, option=_OPTIONS).decode()


def decode(document: str) -> Incident:
    """The incident that a document holds; keys that we do not know are left out."""
    large = len(document) > LARGE_CHARACTERS
    raw = json.loads(document, object_hook=_as_it_is) if large else orjson.loads(document)
    plain: dict[str, Any] = {key: raw[key] for key in _PLAIN if key in raw}
    return Incident(
        group_keys=tuple(raw["group_keys"]),
        phase=Phase(raw["phase"]),
        opened_at=datetime.fromisoformat(raw["opened_at"]),
        resolved_at=_instant(raw["resolved_at"]),
        alerts=tuple(_alert(alert) for alert in raw["alerts"]),
        quiet=_quiet(raw.get("quiet")),
        traces=tuple(Trace(**each) for each in raw.get("traces", ())),
        earlier=tuple(_alert(alert) for alert in raw.get("earlier", ())),
        **plain,
    )


def _as_it_is(read: Any) -> Any:
    return read


_PLAIN = (
    "id",
    "receiver",
    "key",
    "labels",
    "revision",
    "truncated_alerts",
    "external_url",
    "reopened",
    "annotations",
)


def _alert(raw: Mapping[str, Any]) -> IncidentAlert:
    return IncidentAlert(
        fingerprint=raw["fingerprint"],
        status=AlertStatus(raw["status"]),
        labels=raw["labels"],
        annotations=raw["annotations"],
        starts_at=datetime.fromisoformat(raw["starts_at"]),
        ends_at=_instant(raw["ends_at"]),
        group_key=raw["group_key"],
        generator_url=raw.get("generator_url", ""),
        seen_at=_instant(raw.get("seen_at")),
    )


def _quiet(raw: Mapping[str, Any] | None) -> Quiet | None:
    if raw is None:
        return None
    return Quiet(
        kind=QuietKind(raw["kind"]),
        by=raw["by"],
        until=datetime.fromisoformat(raw["until"]),
        comment=raw["comment"],
        silence_id=raw["silence_id"],
        ours=raw["ours"],
        since=datetime.fromisoformat(raw["since"]),
        resolved_unseen=raw["resolved_unseen"],
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
