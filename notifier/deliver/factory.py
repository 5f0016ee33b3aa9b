"""Makes the deliverer of a channel."""

import hashlib
from typing import Protocol

import aiohttp

from notifier.clock import Clock
from notifier.deliver.discord import DiscordHook
from notifier.deliver.pacing import Budgets, DiscordPace, slack_bot_pace, slack_hook_pace
from notifier.deliver.protocol import Deliverer, Paced
from notifier.deliver.slack import SlackBot, SlackHook
from notifier.errors import NotifierError
from wiltonos_service.errors import SettingsError
from wiltonos_service.secrets import Secret

SLACK_API = "https://slack.com/api/"


class PacedDeliverer(Deliverer, Paced, Protocol):
    """What :func:`build` makes. Those that can remove or show charts say so by protocol."""


def build(
    *,
    kind: str,
    name: str,
    secret: Secret,
    session: aiohttp.ClientSession,
    clock: Clock,
    budgets: Budgets,
    channel: str = "",
    api_url: str = SLACK_API,
    thread_id: str = "",
    broadcast: bool = False,
) -> PacedDeliverer:
    """The deliverer of one channel.

    Args:
        kind: slack, slack_webhook or discord_webhook.
        name: the channel's name in the configuration.
        secret: the bot token, or the address of the webhook.
        session: from :func:`notifier.deliver.open_session`, shared by all.
        clock: the time.
        budgets: shared by all, so that channels of one destination spend from one purse.
        channel: Slack channel id (slack).
        api_url: base of Slack's Web API (slack).
        thread_id: a thread to write into (discord_webhook).
        broadcast: show replies in the channel too (slack).

    Raises:
        NotifierError: there is no such kind.
    """
    if kind == "slack":
        return SlackBot(
            secret=secret,
            channel=channel,
            session=session,
            clock=clock,
            pace=slack_bot_pace(budgets, f"{api_url} {_identity(secret)}", channel),
            api_url=api_url,
            broadcast=broadcast,
        )
    if kind == "slack_webhook":
        pace = slack_hook_pace(budgets, _identity(secret))
        return SlackHook(secret=secret, session=session, clock=clock, pace=pace)
    if kind == "discord_webhook":
        return DiscordHook(
            secret=secret,
            session=session,
            clock=clock,
            pace=DiscordPace(budgets, _identity(secret)),
            thread_id=thread_id,
        )
    raise NotifierError(f"channel {name}: there is no kind {kind!r}")


def _identity(secret: Secret) -> str:
    """Equal for channels that share a token or an address, without telling it."""
    try:
        return hashlib.sha256(secret.read().encode()).hexdigest()
    except SettingsError:
        return secret.name
