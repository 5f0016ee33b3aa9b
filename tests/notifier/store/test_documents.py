"""Incidents as documents, small and large."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from notifier.incident import Incident, Phase
from notifier.incident.planner import Planner
from notifier.ingest.payload import parse
from notifier.store import documents
from notifier.store.documents import decode, encode
from notifier.testing.webhooks import alert, encoded, webhook

START = datetime(2026, 1, 1, tzinfo=UTC)


def incident(count: int) -> Incident:
    """One of so many alerts, with text that could be taken for JSON."""
    labels = {"alerts": "[]", "quote": '"},{"', "Φ": "\N{ROCKET}"}
    alerts = [alert(f"A{number}", starts_at=START, labels=labels) for number in range(count)]
    body = encoded(webhook(*alerts, group_key='g "alerts":[]'))
    made = Planner().plan(None, parse(body), START + timedelta(minutes=1)).step.incident
    assert made is not None
    assert made.phase is Phase.FIRING
    return made


@pytest.mark.parametrize("count", [1, 4, 5, 6, 23])
def test_a_large_document_is_the_same_in_pieces(
    monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Written in pieces and read with a call back, so that other threads go on meanwhile."""
    made = incident(count)
    whole = encode(made)
    assert orjson.loads(whole) == orjson.loads(orjson.dumps(made, option=orjson.OPT_UTC_Z))
    monkeypatch.setattr(documents, "MANY", 5)
    monkeypatch.setattr(documents, "LARGE_CHARACTERS", 100)
    assert encode(made) == whole
    assert decode(whole) == made
    assert decode(encode(replace(made, earlier=made.alerts))).earlier == made.alerts
