"""Reading webhook bodies."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.alerts import AlertStatus, Notification
from notifier.errors import PayloadError
from notifier.ingest.payload import UNKNOWN_TIME, _read, _read_closely, parse
from notifier.testing.webhooks import alert, encoded, webhook

START = datetime(2026, 11, 23, 7, 29, 42, 835970, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def test_an_alertmanager_body_is_read_whole() -> None:
    """Everything that an incident stands on is taken from a version 4 body."""
    body = webhook(
        alert("P", starts_at=START, ends_at=START + timedelta(minutes=1)),
        alert("Q", starts_at=START),
        group_labels={"job": "x"},
        truncatedAlerts=3,
        notification_reason="new alerts added",
    )
    read = parse(encoded(body), f"00-{'a' * 32}-{'b' * 16}-01")
    assert read.receiver == "chats"
    assert read.group_labels == {"job": "x"}
    assert read.truncated_alerts == 3
    assert read.reason == "new alerts added"
    assert read.traceparent.startswith("00-aaaa")
    assert [each.status for each in read.alerts] == [AlertStatus.RESOLVED, AlertStatus.FIRING]
    assert read.alerts[0].ends_at == START + timedelta(minutes=1)
    assert read.alerts[1].ends_at is None
    assert read.alerts[1].starts_at == START


def test_an_alertmanager_body_takes_the_short_way() -> None:
    """What every webhook waits for is not spent on looking for oddities that it has not."""
    body = encoded(webhook(alert("P", ends_at=START), alert("Q"), group_labels={"job": "x"}))
    assert _read(body, "") == _read_closely(body, "") == parse(body)


def test_a_grafana_body_is_read() -> None:
    """Grafana's version 1, with its own fields and nanoseconds, is a notification too."""
    body = webhook(alert("G"), version="1", orgId=1, title="[FIRING:1]", state="alerting")
    body["alerts"][0] |= {"startsAt": "2026-11-23T07:29:42.835970123+02:00", "values": {"B": 1.5}}
    read = parse(encoded(body))
    assert read.alerts[0].starts_at == START - timedelta(hours=2)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "object"),
        (b"[" * 10_000, "not JSON"),
        (b'{"a":' * 5_000, "not JSON"),
        (b'{"version":"4","groupKey":"g"}', "alerts is missing"),
        (b'{"version":"4","alerts":[]}', "groupKey is missing"),
        (b'{"version":"4","groupKey":"","alerts":[]}', "groupKey"),
        (b'{"groupKey":"g","alerts":[]}', "version is missing"),
        (b'{"version":"3","groupKey":"g","alerts":[]}', "version '3'"),
        (b'{"version":"4","groupKey":"g","alerts":[{"status":"odd"}]}', "alerts.0.status"),
        (b'{"version":"4","groupKey":"g","alerts":{}}', "alerts"),
    ],
)
def test_what_is_no_notification_is_refused_with_the_reason(body: bytes, reason: str) -> None:
    """The text of the error says what is missing or wrong, and where."""
    with pytest.raises(PayloadError, match=reason.replace("[", r"\[")):
        parse(body)


def test_unreadable_times_and_missing_fingerprints_lose_no_alert() -> None:
    """A sender that is careless with details still gets its alert through."""
    body = webhook(alert("A"), alert("A"), alert("B"))
    for each in body["alerts"]:
        each |= {"startsAt": "yesterday", "endsAt": None, "fingerprint": None}
    first, second, third = parse(encoded(body)).alerts
    assert first.starts_at == UNKNOWN_TIME
    assert first.fingerprint == second.fingerprint != third.fingerprint


def test_the_last_year_of_the_calendar_is_no_time() -> None:
    """Nothing could be said to be later, so a sender's "never" is not taken at its word."""
    body = webhook(alert("A"))
    body["alerts"][0] |= {"status": "resolved", "endsAt": "9999-12-31T23:59:59.999999Z"}
    assert parse(encoded(body)).alerts[0].ends_at == UNKNOWN_TIME


def test_nul_never_reaches_the_database() -> None:
    """PostgreSQL cannot store U+0000, so it is replaced wherever it may stand."""
    body = webhook(alert("A\0", labels={"x\0": "y\0"}), group_key="g\0", receiver="r\0")
    assert "\0" not in repr(parse(encoded(body)))


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Nothing but PayloadError comes out of a body, whatever is in it."""
    _read_or_refuse(body)


@given(st.dictionaries(st.sampled_from([*webhook(), "x"]), JSON), st.dictionaries(
    st.sampled_from([*alert(), "x"]), JSON))  # fmt: skip
def test_a_body_with_any_values_is_read_or_refused(
    top: dict[str, object], inner: dict[str, object]
) -> None:
    """Each known key may hold anything at all."""
    body = webhook(alert()) | top
    body["alerts"] = top.get("alerts", [alert() | inner])
    _read_or_refuse(json.dumps(body).encode())


def _read_or_refuse(body: bytes) -> None:
    with suppress(PayloadError):
        read = parse(body, body.decode("latin-1"))
        assert isinstance(read, Notification)
        # the short way for well-formed bodies says nothing else than the long one
        assert read == _read_closely(body, read.traceparent)
