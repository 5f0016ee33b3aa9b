"""What an answer of a chat means: pure tables from status, headers and body to an Outcome.

Sources: docs.slack.dev (errors of ``chat.postMessage``, ``chat.update``, incoming webhooks),
docs.discord.com ("Opcodes and Status Codes", "Rate Limits").
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from notifier.deliver.outcome import Outcome, OutcomeKind, Receipt

MAX_WAIT_SECONDS = 3600.0
_DETAIL = 300
_SLACK_LIMITED = {"ratelimited", "rate_limited", "message_limit_exceeded"}
_SLACK_GONE = {
    "block_mismatch",
    "cannot_reply_to_message",
    "cant_update_message",
    "edit_window_closed",
    "invalid_thread_ts",
    "is_inactive",
    "message_not_found",
    "thread_not_found",
}
_SLACK_DEAD = {
    "access_denied",
    "account_inactive",
    "as_user_not_supported",
    "channel_not_found",
    "ekm_access_denied",
    "enterprise_is_restricted",
    "invalid_auth",
    "is_archived",
    "messages_tab_disabled",
    "missing_scope",
    "no_permission",
    "not_allowed_token_type",
    "not_authed",
    "not_in_channel",
    "org_login_required",
    "restricted_action",
    "restricted_action_read_only_channel",
    "restricted_action_thread_only_channel",
    "team_access_not_granted",
    "team_not_found",
    "token_expired",
    "token_revoked",
    "two_factor_setup_required",
}
_SLACK_REFUSED = {
    "attachment_payload_limit_exceeded",
    "invalid_arguments",
    "invalid_attachments",
    "invalid_blocks",
    "invalid_blocks_format",
    "invalid_metadata_format",
    "invalid_metadata_schema",
    "markdown_text_conflict",
    "metadata_too_large",
    "msg_blocks_too_long",
    "msg_too_long",
    "no_text",
    "slack_file_not_found",
    "too_many_attachments",
}
# the call may have done its work all the same
_SLACK_UNKNOWN = {"fatal_error"}
_HOOK_DEAD = {
    "action_prohibited",
    "channel_is_archived",
    "channel_not_found",
    "invalid_token",
    "no_active_hooks",
    "no_service",
    "no_service_id",
    "no_team",
    "posting_to_general_channel_denied",
    "team_disabled",
    "user_not_found",
}
_DISCORD_GONE = {10008, 30046, 50083}
_DISCORD_DEAD = {10003, 10015, 50013, 50027, 220001, 220002, 220003, 220004}


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, read.

    Attributes:
        headers: by lower-case name.
        body: a JSON object, or the text of anything else.
    """

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any] | str


def answer(status: int, headers: Mapping[str, str], body: Any) -> Answer:
    """An Answer from what a client library gives: text is read as JSON where it is an object."""
    if isinstance(body, str):
        try:
            parsed = json.loads(body)
        except ValueError:
            parsed = None
        body = parsed if isinstance(parsed, dict) else body
    content: Mapping[str, Any] | str = body if isinstance(body, Mapping | str) else ""
    return Answer(status, {name.lower(): value for name, value in headers.items()}, content)


def retry_after(value: object, now: datetime) -> float | None:
    """Seconds to wait, from a number, its text or an HTTP date; None for anything else.

    At most an hour: asking again that seldom annoys nobody, and a wild value ends there.
    """
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = _until(str(value), now)
    if not math.isfinite(seconds):
        return None
    return min(max(seconds, 0.0), MAX_WAIT_SECONDS)


def _until(text: str, now: datetime) -> float:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return math.nan
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - now).total_seconds()


def slack_api(got: Answer, now: datetime) -> Outcome:
    """The outcome of a call of Slack's Web API."""
    if not isinstance(got.body, Mapping):
        return _by_status(got, now, f"not Slack's Web API: {_short(got.body)}")
    if got.status == 200 and got.body.get("ok") is True:
        place = Receipt(str(got.body.get("channel", "")), str(got.body.get("ts", "")))
        return Outcome(OutcomeKind.DELIVERED, place)
    error = str(got.body.get("error", ""))
    detail = _slack_detail(error, got.body) or f"HTTP {got.status}"
    if error in _SLACK_LIMITED:
        return _limited(got, now, detail)
    for known, kind in _SLACK_KINDS:
        if error in known:
            return Outcome(kind, detail=detail)
    return _by_status(got, now, detail)


_SLACK_KINDS = (
    (_SLACK_GONE, OutcomeKind.MESSAGE_GONE),
    (_SLACK_DEAD, OutcomeKind.DESTINATION_DEAD),
    (_SLACK_REFUSED, OutcomeKind.PAYLOAD_REFUSED),
    (_SLACK_UNKNOWN, OutcomeKind.UNKNOWN),
)


def _slack_detail(error: str, body: Mapping[str, Any]) -> str:
    metadata = body.get("response_metadata")
    reasons = metadata.get("messages") if isinstance(metadata, Mapping) else None
    needed = [f"needs {body['needed']}"] if body.get("needed") else []
    listed = [str(each) for each in reasons][:3] if isinstance(reasons, list) else []
    return _short("; ".join([error, *needed, *listed]))


def slack_hook(got: Answer, now: datetime, destination: str) -> Outcome:
    """The outcome of a post to an incoming webhook, which answers in plain text."""
    text = got.body if isinstance(got.body, str) else str(got.body.get("error", ""))
    if got.status == 200 and text.strip() == "ok":
        return Outcome(OutcomeKind.DELIVERED, Receipt(destination, ""))
    detail = _short(f"HTTP {got.status} {text}".strip())
    if text.strip() in _HOOK_DEAD or got.status in {403, 404, 410}:
        return Outcome(OutcomeKind.DESTINATION_DEAD, detail=detail)
    if got.status in {400, 413}:
        return Outcome(OutcomeKind.PAYLOAD_REFUSED, detail=detail)
    return _by_status(got, now, detail)


def discord(got: Answer, now: datetime, destination: str) -> Outcome:
    """The outcome of a request to a Discord webhook."""
    if not isinstance(got.body, Mapping):
        return _discord_text(got, now, destination)
    if got.status < 300:
        return _discord_done(got.body, destination)
    said = got.body.get("code")
    code = said if isinstance(said, int) else 0
    detail = _discord_detail(got)
    if code in _DISCORD_GONE:
        return Outcome(OutcomeKind.MESSAGE_GONE, detail=detail)
    if code in _DISCORD_DEAD or got.status in {401, 403, 404, 405}:
        return Outcome(OutcomeKind.DESTINATION_DEAD, detail=detail)
    if got.status in {400, 413}:
        return Outcome(OutcomeKind.PAYLOAD_REFUSED, detail=detail)
    return _by_status(got, now, detail)


def _discord_done(body: Mapping[str, Any], destination: str) -> Outcome:
    shown = body.get("attachments")
    listed = shown if isinstance(shown, list) else []
    names = [str(each.get("id", "")) for each in listed if isinstance(each, Mapping)]
    place = Receipt(destination, str(body.get("id", "")), names[-1] if names else "")
    return Outcome(OutcomeKind.DELIVERED, place)


def _discord_text(got: Answer, now: datetime, destination: str) -> Outcome:
    """Discord itself always answers in JSON; text comes from the edge in front of it."""
    detail = _short(f"HTTP {got.status} {got.body}".strip())
    if got.status == 204:
        return Outcome(OutcomeKind.DELIVERED, Receipt(destination, ""))
    if got.status in {403, 429} or "error code: 1015" in str(got.body):
        wait = retry_after(got.headers.get("retry-after"), now)
        return Outcome(OutcomeKind.EDGE_BAN, None, wait, destination_wide=True, detail=detail)
    if got.status == 413:
        return Outcome(OutcomeKind.PAYLOAD_REFUSED, detail=detail)
    if got.status in {401, 404}:
        return Outcome(OutcomeKind.DESTINATION_DEAD, detail=detail)
    return Outcome(OutcomeKind.TRANSIENT, detail=detail)


def _discord_detail(got: Answer) -> str:
    body = got.body if isinstance(got.body, Mapping) else {}
    words = f"HTTP {got.status} {body.get('code', '')} {body.get('message', '')}"
    errors = json.dumps(body["errors"])[:_DETAIL] if body.get("errors") else ""
    return _short(f"{words} {errors}".strip())


def _by_status(got: Answer, now: datetime, detail: str) -> Outcome:
    return _limited(got, now, detail) if got.status == 429 else _transient(detail)


def _transient(detail: str) -> Outcome:
    return Outcome(OutcomeKind.TRANSIENT, detail=detail)


def _limited(got: Answer, now: datetime, detail: str) -> Outcome:
    body = got.body if isinstance(got.body, Mapping) else {}
    said = (got.headers.get("retry-after"), body.get("retry_after"))
    waits = [wait for each in said if (wait := retry_after(each, now)) is not None]
    wide = bool(body.get("global")) or "x-ratelimit-global" in got.headers
    longest = max(waits, default=None)
    return Outcome(OutcomeKind.RATE_LIMITED, None, longest, destination_wide=wide, detail=detail)


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _DETAIL else flat[: _DETAIL - 1] + "…"
