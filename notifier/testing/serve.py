"""Both fakes on fixed ports, for trying a configuration by hand or in somebody's CI."""

import asyncio
from collections.abc import Callable, Mapping

from notifier.testing.discord import FakeDiscord
from notifier.testing.slack import FakeSlack

SLACK_PORT = 9901
DISCORD_PORT = 9902


async def serve_fakes(
    *,
    host: str = "127.0.0.1",
    slack_port: int = SLACK_PORT,
    discord_port: int = DISCORD_PORT,
    announce: Callable[[str], None],
    until: asyncio.Event | None = None,
) -> None:
    """Serve a fake Slack and a fake Discord until told to stop (by default: until cancelled).

    Args:
        host: where to listen.
        slack_port: port of the fake Slack; 0 takes a free one.
        discord_port: port of the fake Discord; 0 takes a free one.
        announce: gets each line of a configuration that names them, and where to look.
        until: ends the serving when it is set.
    """
    slack, discord = FakeSlack(), FakeDiscord()
    await slack.start(host, slack_port)
    try:
        await discord.start(host, discord_port)
        try:
            for line in _lines(slack, discord):
                announce(line)
            await (until or asyncio.Event()).wait()
        finally:
            await discord.close()
    finally:
        await slack.close()


def _lines(slack: FakeSlack, discord: FakeDiscord) -> list[str]:
    channel = next(iter(slack.channels))
    bot = {"api_url": slack.api_url, "token": slack.token, "channel": channel}
    return [
        "# for wiltonos.toml",
        *_channel("fake-slack", "slack", bot),
        *_channel("fake-slack-hook", "slack_webhook", {"url": slack.webhook_url(channel)}),
        *_channel("fake-discord", "discord_webhook", {"url": discord.webhook_url()}),
        f"# what arrives: Slack at {slack.base_url}/ , Discord at {discord.base_url}/",
    ]


def _channel(name: str, kind: str, keys: Mapping[str, str]) -> list[str]:
    values = {"name": name, "kind": kind, **keys}
    return ["[[notifier.channels]]", *(f'{key} = "{value}"' for key, value in values.items()), ""]
