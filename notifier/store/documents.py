"""Incidents as JSON documents. Pure."""

import json
from dataclasses import fields, replace
from typing import Any

from msgspec import Raw, convert
from msgspec.json import Decoder, Encoder

from notifier.incident import Incident, IncidentAlert

# JSON that is read or written in one piece holds every other thread up until it is done: so many
# alerts are written at a time, and a longer document is read with a call back for each object
MANY = 2_000
LARGE_CHARACTERS = 1_000_000
# they know dataclasses, enumerations and instants by themselves
_ENCODER = Encoder()
_DECODER = Decoder(Incident)


def encode(incident: Incident) -> str:
    """The incident as one JSON document."""
    if len(incident.alerts) <= MANY:
        return _ENCODER.encode(incident).decode()
    named = {each.name: getattr(incident, each.name) for each in fields(incident)}
    pieces = (incident.alerts[at : at + MANY] for at in range(0, len(incident.alerts), MANY))
    listed = b",".join(_ENCODER.encode(piece)[1:-1] for piece in pieces)
    named["alerts"] = Raw(b"[%b]" % listed)
    return _ENCODER.encode(named).decode()


def decode(document: str) -> Incident:
    """The incident that a document holds; keys that we do not know are left out."""
    if len(document) <= LARGE_CHARACTERS:
        return _DECODER.decode(document)
    raw = json.loads(document, object_hook=_as_it_is)
    alerts = tuple(convert(each, IncidentAlert) for each in raw["alerts"])
    return replace(convert({**raw, "alerts": ()}, Incident), alerts=alerts)


def _as_it_is(read: Any) -> Any:
    return read
