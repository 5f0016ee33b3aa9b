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
from notifier.testing.virtual import LoopClock, VirtualLoop, run_virtually

__all__ = [
    "FakeChannel",
    "FakeDiscord",
    "FakeHook",
    "FakeMessage",
    "FakeSlack",
    "Fault",
    "FaultKind",
    "Faults",
    "LoopClock",
    "ManualClock",
    "Version",
    "VirtualLoop",
    "answer",
    "answer_after",
    "cut_after",
    "cut_before",
    "discord_error",
    "hang_after",
    "hang_before",
    "properly",
    "rate_limited",
    "run_virtually",
    "serve_fakes",
    "slack_error",
]
