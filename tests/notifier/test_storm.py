"""The whole notifier in virtual time: a storm through the real limits, and an outage."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from notifier.app import NotifierService
from notifier.settings import load
from notifier.testing import (
    FakeDiscord,
    FakeMessage,
    FakeSlack,
    Fault,
    LoopClock,
    answer,
    cut_before,
    hang_before,
    run_virtually,
)
from notifier.testing.slack import CHANNEL
from notifier.testing.webhooks import Body, alert, encoded, webhook

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 1, 1, 0, 5, tzinfo=UTC)
SETTINGS = """
[notifier]
listen = "127.0.0.1:0"
heartbeat_timeout_seconds = 0
[[notifier.channels]]
name = "slack"
kind = "slack"
token = "{slack.token}"
channel = "{channel}"
api_url = "{slack.api_url}"
[[notifier.channels]]
name = "discord"
kind = "discord_webhook"
url = "{hook}"
"""
GROUPS, CRITICAL, ARRIVAL_SECONDS = 200, 20, 10.0
# one message per second on Slack; on Discord thirty per minute, a fifth kept back, of which the
# edits of the digest take some
SETTLED_SECONDS = {"slack": 215.0, "discord": 590.0}
OUTAGE_SECONDS = 600.0
DIGEST = "incidents at once"
ABOUT = re.compile(r"about (\w+)\.")


def group(name: str, severity: str = "warning", *, over: bool = False) -> Body:
    """A group of its own."""
    said = {"summary": f"about {name}."}
    ends_at = END if over else None
    made = alert(name, severity=severity, starts_at=START, ends_at=ends_at, annotations=said)
    return webhook(made, group_key=f"group {name}")


@dataclass
class World:
    """A notifier and its chats, which share one virtual time."""

    slack: FakeSlack
    discord: FakeDiscord
    http: aiohttp.ClientSession
    base: str

    @property
    def shown(self) -> Mapping[str, list[FakeMessage]]:
        """Every message of each chat."""
        return {"slack": self.slack.messages[CHANNEL], "discord": self.discord.shown()}

    async def send(self, body: Body) -> float:
        """Have a webhook accepted; returns when that was."""
        url = f"{self.base}/api/v1/alertmanager"
        async with self.http.post(url, data=encoded(body)) as response:
            assert response.status == 200
        return now()

    async def settled(self) -> None:
        """Return when nothing waits any more, within an hour."""
        deadline = now() + 3600
        while waiting := await self._waiting():
            assert now() < deadline, waiting
            await asyncio.sleep(5.0)

    async def _waiting(self) -> list[Any]:
        url = f"{self.base}/api/v1/incidents?limit=500"
        async with self.http.get(url) as response:
            incidents = (await response.json())["incidents"]
        rows = [row for each in incidents for row in each["deliveries"]]
        return [row for row in rows if row["state"] != "delivered"]


def now() -> float:
    """The virtual time."""
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[World]:
    """A notifier with a Slack and a Discord that enforce their limits."""
    clock, stop = LoopClock(), asyncio.Event()
    async with FakeSlack(clock) as slack, FakeDiscord(clock) as discord:
        file = directory / "wiltonos.toml"
        hook = discord.webhook_url()
        file.write_text(SETTINGS.format(slack=slack, channel=CHANNEL, hook=hook))
        service = NotifierService(load(config=file, environ={}), clock)
        address = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(service.run(address.set_result, stop))
        async with aiohttp.ClientSession() as http:
            yield World(slack, discord, http, f"http://{await address}")
        stop.set()
        await task


def about(messages: list[FakeMessage], name: str) -> list[FakeMessage]:
    """The messages of an incident, without digests, even when they name no other any more."""
    own = [each for each in messages if DIGEST not in each.text]
    return [each for each in own if set(ABOUT.findall(each.text)) == {name}]


@pytest.fixture(autouse=True)
def _no_push(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")


def test_a_storm_meets_no_limit_and_shows_what_is_critical_first(tmp_path: Path) -> None:
    """200 groups in 10 s, 20 of them critical: no 429, each of those within 15 s, all in time."""
    critical = {f"n{number:03d}" for number in random.Random(3).sample(range(GROUPS), CRITICAL)}

    async def storm() -> None:
        async with running(tmp_path) as world:
            began, accepted = now(), {}
            for number in range(GROUPS):
                name = f"n{number:03d}"
                body = group(name, "critical" if name in critical else "warning")
                accepted[name] = await world.send(body)
                await asyncio.sleep(ARRIVAL_SECONDS / GROUPS)
            await world.settled()
            for chat, messages in world.shown.items():
                found = {name: about(messages, name) for name in accepted}
                assert {len(each) for each in found.values()} == {1}
                shown = {name: each[0].history[0].at for name, each in found.items()}
                assert max(shown[name] - accepted[name] for name in critical) <= 15
                assert max(shown.values()) - began <= SETTLED_SECONDS[chat]
                # a digest says meanwhile what waits
                assert len(messages) <= GROUPS + 1
            assert world.slack.answers[429] + world.discord.answers[429] == 0

    run_virtually(storm())


@pytest.mark.parametrize(
    "fault", [answer(503), cut_before(), hang_before()], ids=lambda fault: fault.kind.value
)
def test_after_an_outage_each_incident_shows_its_end_once(tmp_path: Path, fault: Fault) -> None:
    """Both chats are down for 10 minutes; what fired and ended meanwhile is one message each."""
    names = [f"n{number:02d}" for number in range(24)]
    over = set(names[::2])

    async def outage() -> None:
        async with running(tmp_path) as world:
            chats = (world.slack, world.discord)
            for chat in chats:
                chat.faults.always("down", fault)
            back = now() + OUTAGE_SECONDS
            for name in names:
                await world.send(group(name, "critical"))
                await asyncio.sleep(15)
            for name in sorted(over):
                await world.send(group(name, "critical", over=True))
            await asyncio.sleep(back - now())
            assert not any(world.shown.values())
            for chat in chats:
                chat.faults.clear()
            await world.settled()
            assert now() - back < 150
            for messages in world.shown.values():
                for name in names:
                    (message,) = about(messages, name)
                    assert ("Resolved" in message.text) == (name in over)

    run_virtually(outage())
