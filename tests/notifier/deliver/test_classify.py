"""The tables from answers to outcomes."""

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.deliver.classify import (
    MAX_WAIT_SECONDS,
    Answer,
    answer,
    discord,
    retry_after,
    slack_api,
    slack_hook,
)
from notifier.deliver.outcome import OutcomeKind, Receipt

NOW = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)
K = OutcomeKind


def got(status: int, body: Any = "", **headers: str) -> Answer:
    """An answer; ``_`` in a header's name means ``-``."""
    return answer(status, {k.replace("_", "-"): v for k, v in headers.items()}, body)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("ratelimited", K.RATE_LIMITED),
        ("rate_limited", K.RATE_LIMITED),
        ("internal_error", K.TRANSIENT),
        ("service_unavailable", K.TRANSIENT),
        ("request_timeout", K.TRANSIENT),
        ("something_new", K.TRANSIENT),
        ("fatal_error", K.UNKNOWN),
        ("invalid_blocks", K.PAYLOAD_REFUSED),
        ("invalid_blocks_format", K.PAYLOAD_REFUSED),
        ("msg_too_long", K.PAYLOAD_REFUSED),
        ("msg_blocks_too_long", K.PAYLOAD_REFUSED),
        ("too_many_attachments", K.PAYLOAD_REFUSED),
        ("no_text", K.PAYLOAD_REFUSED),
        ("message_not_found", K.MESSAGE_GONE),
        ("cant_update_message", K.MESSAGE_GONE),
        ("edit_window_closed", K.MESSAGE_GONE),
        ("is_inactive", K.MESSAGE_GONE),
        ("invalid_auth", K.DESTINATION_DEAD),
        ("token_revoked", K.DESTINATION_DEAD),
        ("account_inactive", K.DESTINATION_DEAD),
        ("not_in_channel", K.DESTINATION_DEAD),
        ("channel_not_found", K.DESTINATION_DEAD),
        ("is_archived", K.DESTINATION_DEAD),
        ("missing_scope", K.DESTINATION_DEAD),
        ("restricted_action", K.DESTINATION_DEAD),
    ],
)
def test_slack_errors(error: str, kind: OutcomeKind) -> None:
    """Slack says what is wrong in the body, with status 200."""
    outcome = slack_api(got(200, {"ok": False, "error": error}), NOW)
    assert outcome.kind is kind
    assert error in outcome.detail


def test_slack_success_keeps_channel_and_ts() -> None:
    """What editing needs later."""
    outcome = slack_api(got(200, {"ok": True, "channel": "C1", "ts": "1.2"}), NOW)
    assert (outcome.kind, outcome.receipt) == (K.DELIVERED, Receipt("C1", "1.2"))


def test_slack_tells_which_scope_is_missing_and_which_block_is_wrong() -> None:
    """A person can mend it from the detail alone."""
    scope = slack_api(
        got(200, {"ok": False, "error": "missing_scope", "needed": "chat:write"}), NOW
    )
    assert scope.detail == "missing_scope; needs chat:write"
    body = {
        "ok": False,
        "error": "invalid_blocks",
        "response_metadata": {"messages": ["[ERROR] too long [json-pointer:/blocks/0]"]},
    }
    assert "/blocks/0" in slack_api(got(200, body), NOW).detail


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"ok": False, "error": "ratelimited"}, K.RATE_LIMITED),
        (429, "", K.RATE_LIMITED),
        (500, {"ok": False}, K.TRANSIENT),
        (502, "<html>", K.TRANSIENT),
        (200, "ok", K.TRANSIENT),
        (404, "<html>", K.TRANSIENT),
    ],
)
def test_slack_statuses(status: int, body: Any, kind: OutcomeKind) -> None:
    """What is not Slack's JSON is somebody in between, and passes."""
    assert slack_api(got(status, body), NOW).kind is kind


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (200, "ok", K.DELIVERED),
        (200, "<html>login</html>", K.TRANSIENT),
        (400, "invalid_payload", K.PAYLOAD_REFUSED),
        (400, "invalid_blocks", K.PAYLOAD_REFUSED),
        (400, "no_text", K.PAYLOAD_REFUSED),
        (400, "no_active_hooks", K.DESTINATION_DEAD),
        (403, "invalid_token", K.DESTINATION_DEAD),
        (403, "action_prohibited", K.DESTINATION_DEAD),
        (404, "no_service", K.DESTINATION_DEAD),
        (404, "channel_not_found", K.DESTINATION_DEAD),
        (410, "channel_is_archived", K.DESTINATION_DEAD),
        (413, "", K.PAYLOAD_REFUSED),
        (429, "rate_limited", K.RATE_LIMITED),
        (500, "rollup_error", K.TRANSIENT),
        (503, "", K.TRANSIENT),
    ],
)
def test_slack_webhook(status: int, text: str, kind: OutcomeKind) -> None:
    """Incoming webhooks answer in plain text."""
    assert slack_hook(got(status, text), NOW, "T1").kind is kind


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, {"id": "9"}, K.DELIVERED),
        (204, "", K.DELIVERED),
        (400, {"code": 50035, "message": "Invalid Form Body"}, K.PAYLOAD_REFUSED),
        (400, {"code": 50006, "message": "Cannot send an empty message"}, K.PAYLOAD_REFUSED),
        (413, {"code": 40005, "message": "Request entity too large"}, K.PAYLOAD_REFUSED),
        (413, "<html>", K.PAYLOAD_REFUSED),
        (404, {"code": 10008, "message": "Unknown Message"}, K.MESSAGE_GONE),
        (400, {"code": 30046, "message": "Too many edits"}, K.MESSAGE_GONE),
        (429, {"code": 30046, "message": "Too many edits"}, K.MESSAGE_GONE),
        (400, {"code": 50083, "message": "Thread is archived"}, K.MESSAGE_GONE),
        (404, {"code": 10015, "message": "Unknown Webhook"}, K.DESTINATION_DEAD),
        (404, {"code": 10003, "message": "Unknown Channel"}, K.DESTINATION_DEAD),
        (401, {"code": 50027, "message": "Invalid Webhook Token"}, K.DESTINATION_DEAD),
        (400, {"code": 50027, "message": "Invalid Webhook Token"}, K.DESTINATION_DEAD),
        (403, {"code": 50013, "message": "Missing Permissions"}, K.DESTINATION_DEAD),
        (401, {"code": 0, "message": "401: Unauthorized"}, K.DESTINATION_DEAD),
        (400, {"code": 220001, "message": "forum needs a thread"}, K.DESTINATION_DEAD),
        (404, "<html>", K.DESTINATION_DEAD),
        (429, {"retry_after": 1.5, "global": False}, K.RATE_LIMITED),
        (429, "error code: 1015", K.EDGE_BAN),
        (403, "error code: 1010", K.EDGE_BAN),
        (503, "error code: 1015", K.EDGE_BAN),
        (500, {"message": "500", "code": 0}, K.TRANSIENT),
        (502, "<html>", K.TRANSIENT),
    ],
)
def test_discord(status: int, body: Any, kind: OutcomeKind) -> None:
    """Codes decide, statuses where there is none, text is the edge's."""
    assert discord(got(status, body), NOW, "1").kind is kind


def test_discord_waits_for_the_longest_that_was_said() -> None:
    """The header is rounded, the body is not; ``global`` stops every channel."""
    body = {"retry_after": 39.75, "global": True}
    outcome = discord(got(429, body, Retry_After="2"), NOW, "1")
    assert outcome.retry_after_seconds == 39.75
    assert outcome.destination_wide


def test_a_new_chart_becomes_part_of_the_receipt() -> None:
    """Edits have to name it, or Discord removes it."""
    outcome = discord(got(200, {"id": "9", "attachments": [{"id": "7"}]}), NOW, "1")
    assert outcome.receipt == Receipt("1", "9", "7")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1", 1.0),
        ("0.4", 0.4),
        (1.5, 1.5),
        ("-3", 0.0),
        ("1e9", MAX_WAIT_SECONDS),
        ("Mon, 23 Nov 2026 17:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 16:00:00 GMT", 0.0),
        ("Mon, 23 Nov 2026 17:00:30", 30.0),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("Mon, 99 Nov 2026 17:00:30 GMT", None),
    ],
)
def test_retry_after_in_every_form(value: object, seconds: float | None) -> None:
    """Whole seconds, decimals, HTTP dates; garbage says nothing."""
    assert retry_after(value, NOW) == seconds


@given(st.one_of(st.text(), st.floats(), st.integers(), st.none(), st.booleans()))
def test_retry_after_is_bounded_whatever_it_is(value: object) -> None:
    """Never an exception, never negative, never longer than an hour."""
    seconds = retry_after(value, NOW)
    assert seconds is None or (math.isfinite(seconds) and 0 <= seconds <= MAX_WAIT_SECONDS)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=4,
)
KEYS = st.sampled_from(
    ["ok", "error", "code", "message", "retry_after", "global", "errors", "id", "attachments",
     "response_metadata", "messages", "channel", "ts", "needed"]
)  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(st.integers(100, 599), st.one_of(st.text(), st.dictionaries(KEYS, JSON)))
def test_no_answer_is_an_accident(status: int, body: Any) -> None:
    """Whatever comes back becomes one of the outcomes, with a bounded detail."""
    read = got(status, body)
    for outcome in (slack_api(read, NOW), slack_hook(read, NOW, "d"), discord(read, NOW, "d")):
        assert outcome.kind in OutcomeKind
        assert len(outcome.detail) <= 300
        assert outcome.kind is K.DELIVERED or outcome.detail
