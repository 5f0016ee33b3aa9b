"""Every deliverer of ours in front of the fake that it talks to."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from notifier.deliver.factory import build
from notifier.deliver.http import open_session
from notifier.deliver.pacing import Budgets
from notifier.deliver.protocol import Rendered
from notifier.testing import FakeDiscord, FakeMessage, FakeSlack, ManualClock
from notifier.testing.slack import CHANNEL
from wiltonos_service.secrets import Secret

KINDS = ("slack", "slack_webhook", "discord_webhook")


def rendered(text: str = "Φ left its band", marker: str = "inc:1", **more: Any) -> Rendered:
    """A small message that both chats accept."""
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}]
    slack = {"text": text, "blocks": blocks}
    discord = {"content": "", "embeds": [{"title": text, "description": text}]}
    return Rendered({**slack, **discord, **more}, {"text": text, "content": text}, marker)


@dataclass
class Chat:
    """A deliverer, its fake and how to break them."""

    kind: str
    deliverer: Any
    fake: Any
    secret_file: Path
    clock: ManualClock

    @property
    def is_slack(self) -> bool:
        """Whether the chat is Slack."""
        return self.kind != "discord_webhook"

    @property
    def messages(self) -> list[FakeMessage]:
        """Everything that is shown, threads included."""
        every = [m for listed in self.fake.messages.values() for m in listed]
        return [m for m in every if not m.deleted]

    def message(self, text: str = "Φ left its band", marker: str = "inc:1") -> Rendered:
        """A small message in the form of this chat."""
        whole = rendered(text, marker)
        keys = ("text", "blocks") if self.is_slack else ("content", "embeds")
        payload = {key: whole.payload[key] for key in keys}
        return Rendered(payload, {keys[0]: text}, marker)

    def refused(self) -> Rendered:
        """A message that breaks a limit."""
        return self.message("x" * 5000)

    def kill(self) -> None:
        """Let the destination be dead for good."""
        if self.kind == "slack":
            self.fake.revoked = True
        elif self.kind == "slack_webhook":
            self.fake.hooks_disabled = True
        else:
            self.fake.hook().deleted = True


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """The session of every deliverer; impatient, so that hanging servers cost a second."""
    async with open_session(total_seconds=1.0) as opened:
        yield opened


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    """A Slack whose time stands still."""
    async with FakeSlack(ManualClock()) as fake:
        yield fake


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    """A Discord whose time stands still."""
    async with FakeDiscord(ManualClock()) as fake:
        yield fake


@pytest.fixture(params=KINDS)
async def chat(
    request: pytest.FixtureRequest,
    session: aiohttp.ClientSession,
    slack: FakeSlack,
    discord: FakeDiscord,
    tmp_path: Path,
) -> Chat:
    """Each kind of deliverer in turn."""
    return make_chat(request.param, session, slack, discord, tmp_path)


def make_chat(
    kind: str,
    session: aiohttp.ClientSession,
    slack: FakeSlack,
    discord: FakeDiscord,
    folder: Path,
    **more: Any,
) -> Chat:
    """A deliverer of this kind with its secret in a file."""
    fake = discord if kind == "discord_webhook" else slack
    text = {
        "slack": slack.token,
        "slack_webhook": slack.webhook_url(),
        "discord_webhook": discord.webhook_url(),
    }[kind]
    file = folder / f"{kind}.secret"
    file.write_text(text + "\n")
    assert isinstance(fake.clock, ManualClock)
    deliverer = build(
        kind=kind,
        name="ops",
        secret=Secret("channel ops: secret", file=file),
        session=session,
        clock=fake.clock,
        budgets=Budgets(),
        channel=CHANNEL,
        api_url=slack.api_url,
        **more,
    )
    return Chat(kind, deliverer, fake, file, fake.clock)


@pytest.fixture
async def bot(
    session: aiohttp.ClientSession, slack: FakeSlack, discord: FakeDiscord, tmp_path: Path
) -> Chat:
    """The Slack bot."""
    return make_chat("slack", session, slack, discord, tmp_path)


@pytest.fixture
async def hook(
    session: aiohttp.ClientSession, slack: FakeSlack, discord: FakeDiscord, tmp_path: Path
) -> Chat:
    """The Discord webhook."""
    return make_chat("discord_webhook", session, slack, discord, tmp_path)
