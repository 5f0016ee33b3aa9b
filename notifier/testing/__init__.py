"""A Slack and a Discord to test with: real HTTP servers that enforce the real limits.

Start one with ``async with FakeSlack() as slack:``, point a channel at ``slack.api_url`` or
``slack.webhook_url()`` and look at ``slack.messages``. ``slack.faults`` scripts what goes wrong.
"""

from notifier.testing.clock import ManualClock
from notifier.testing.discord import FakeDiscord, FakeHook
from notifier.testing.faults import (
    Fault,
    FaultKind,
    Faults,
    answer,
    answer_after,
    cut_after,
    cut_before,
    discord_error,
    hang_after,
    hang_before,
    properly,
    rate_limited,
    slack_error,
)
from notifier.testing.record import FakeMessage, Version
from notifier.testing.serve import serve_fakes
from notifier.testing.slack import FakeChannel, FakeSlack

__all__ = [
    "FakeChannel",
    "FakeDiscord",
    "FakeHook",
    "FakeMessage",
    "FakeSlack",
    "Fault",
    "FaultKind",
    "Faults",
    "ManualClock",
    "Version",
    "answer",
    "answer_after",
    "cut_after",
    "cut_before",
    "discord_error",
    "hang_after",
    "hang_before",
    "properly",
    "rate_limited",
    "serve_fakes",
    "slack_error",
]
