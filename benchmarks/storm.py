"""``storm``: a notifier that is killed over and over, amid chats that misbehave.

    python -m benchmarks.storm [--incidents 1000] [--kills 40] [--channels 40] [--seed 1]

Incidents fire, repeat themselves and mostly end. The notifier is a process of its own; it dies by
SIGKILL at every named point (``notifier/killpoints.py``) in turn and at random, and is started
again. The chats answer 429 and 500, cut connections before and after the message was taken, and
hang, at random, and enforce their real limits. Nothing is scaled: because a Discord channel takes
30 messages a minute and a Slack workspace 50 edits, the incidents are spread over channels, four
to a workspace. Exits with 1 where an incident is lost, shows a wrong end, or where there are more
duplicates than can be explained: Discord's, all channels together, one per kill and unanswered
post, Slack's, whom we ask before we post again, none but for unanswered posts.
"""

import argparse
import asyncio
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from benchmarks.victim import Victim
from notifier import killpoints
from notifier.deliver.protocol import Operation
from notifier.testing import (
    FakeDiscord,
    FakeMessage,
    FakeSlack,
    FaultKind,
    answer,
    cut_after,
    cut_before,
    hang_after,
    hang_before,
    rate_limited,
)
from notifier.testing.webhooks import alert, encoded, webhook

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 1, 1, 0, 5, tzinfo=UTC)
CHANNELS_PER_WORKSPACE = 4
ARRIVALS_PER_SECOND = 10.0
# how long an incident fires, and a life lasts at most
FIRING_SECONDS = (0.0, 20.0)
LIFE_SECONDS = (1.0, 6.0)
SETTLING_SECONDS = 900.0
ENDING_SHARE = 0.85
ABOUT = re.compile(r"about (\w+)\.")
FAULTS = (
    # with an empty text instead of JSON it would be a ban of the address, for five minutes
    (0.04, rate_limited("1", "{}")),
    (0.04, answer(500)),
    (0.03, cut_before()),
    (0.02, cut_after()),
    (0.002, hang_before()),
    (0.002, hang_after()),
)
_HEAD = """
[notifier]
listen = "127.0.0.1:{port}"
database = "sqlite:///storm.db"
heartbeat_timeout_seconds = 0
charts = false
"""
_SLACK = """
[[notifier.channels]]
name = "slack-{shard}"
kind = "slack"
token = "{slack.token}"
channel = "C{shard:010d}"
api_url = "{slack.api_url}"
match = {{ shard = ["{shard}"] }}
"""
_DISCORD = """
[[notifier.channels]]
name = "discord-{shard}"
kind = "discord_webhook"
url = "{url}"
match = {{ shard = ["{shard}"] }}
"""


@dataclass(frozen=True, slots=True)
class Size:
    """How much of a storm."""

    incidents: int = 1000
    kills: int = 40
    channels: int = 40
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the storm left behind.

    Attributes:
        kills: how often the notifier died, by where.
        lost: incidents that a chat never showed.
        wrong: those whose last message shows another end than theirs.
        duplicates: messages beyond one per incident, by chat.
        unanswered: posts that a chat took without saying so, or hung on, by chat.
        limited: answers 429 of both chats, those by chance included.
    """

    size: Size
    kills: dict[str, int]
    lost: list[str]
    wrong: list[str]
    duplicates: dict[str, int]
    unanswered: dict[str, int]
    limited: int
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether every promise was kept."""
        explained = dict(self.unanswered)
        explained["discord"] += sum(self.kills.values())
        few = all(number <= explained[chat] for chat, number in self.duplicates.items())
        return not self.lost and not self.wrong and few


@dataclass
class Chats:
    """A Discord and some workspaces of Slack, with a channel of each for every shard."""

    count: int
    discord: FakeDiscord = field(init=False)
    slacks: list[FakeSlack] = field(init=False)

    def __post_init__(self) -> None:
        self.discord = FakeDiscord(channels=tuple(map(_discord_channel, range(self.count))))
        groups = [
            range(first, min(first + CHANNELS_PER_WORKSPACE, self.count))
            for first in range(0, self.count, CHANNELS_PER_WORKSPACE)
        ]
        self.slacks = [
            FakeSlack(token=f"xoxb-{number}-storm", channels=tuple(map(_slack_channel, group)))
            for number, group in enumerate(groups)
        ]

    def slack(self, shard: int) -> FakeSlack:
        """The workspace of a shard."""
        return self.slacks[shard // CHANNELS_PER_WORKSPACE]

    def settings(self, port: int) -> str:
        """A configuration file that leads here."""
        parts = [_HEAD.format(port=port)]
        for shard in range(self.count):
            parts.append(_SLACK.format(shard=shard, slack=self.slack(shard)))
            url = self.discord.webhook_url(_discord_channel(shard))
            parts.append(_DISCORD.format(shard=shard, url=url))
        return "".join(parts)

    def misbehave(self, seed: int) -> None:
        """Go wrong at random from now on."""
        for number, fake in enumerate((self.discord, *self.slacks)):
            for probability, fault in FAULTS:
                fake.faults.chance(probability, fault, seed=seed + number)

    def behave(self) -> None:
        """Answer properly from now on."""
        for fake in (self.discord, *self.slacks):
            fake.faults.clear()

    def shown(self, shard: int) -> Iterator[tuple[str, list[FakeMessage]]]:
        """What each chat shows of a shard, at top level."""
        yield "discord", self.discord.shown(_discord_channel(shard))
        yield "slack", self.slack(shard).shown(_slack_channel(shard))

    @property
    def unanswered(self) -> dict[str, int]:
        """Posts that nobody knows the end of."""
        kinds = (FaultKind.CUT_AFTER, FaultKind.HANG_AFTER)
        fakes: dict[str, Sequence[FakeDiscord | FakeSlack]] = {
            "discord": [self.discord],
            "slack": self.slacks,
        }
        return {
            chat: sum(fake.faults.met[kind, Operation.POST] for fake in each for kind in kinds)
            for chat, each in fakes.items()
        }


def _discord_channel(shard: int) -> str:
    return str(100000000000000001 + shard)


def _slack_channel(shard: int) -> str:
    return f"C{shard:010d}"


class Storm:
    """One run.

    Args:
        size: how much of it.
        directory: where the notifier keeps its files.
    """

    def __init__(self, size: Size, directory: Path) -> None:
        self._size = size
        self._rng = random.Random(size.seed)
        self._chats = Chats(size.channels)
        self._victim = Victim(directory)
        self._names = [f"n{number:05d}" for number in range(size.incidents)]
        self._ending = {name for name in self._names if self._rng.random() < ENDING_SHARE}

    async def run(self) -> Verdict:
        """Let it rage, let it settle, and look at what is left."""
        began = time.monotonic()
        async with AsyncExitStack() as stack:
            for fake in (self._chats.discord, *self._chats.slacks):
                await stack.enter_async_context(fake)
            http = await stack.enter_async_context(aiohttp.ClientSession())
            stack.push_async_callback(self._victim.stop)
            self._victim.configure(self._chats.settings(self._victim.port))
            self._chats.misbehave(self._size.seed)
            await asyncio.gather(self._murder(), *(self._live(http, n) for n in self._names))
            self._chats.behave()
            await self._settled(http)
            return self._verdict(time.monotonic() - began)

    async def _murder(self) -> None:
        points = (*killpoints.POINTS, "")
        for number in range(self._size.kills):
            point = points[number % len(points)]
            await self._victim.start(f"{point}:{self._rng.randint(1, 60)}" if point else "")
            await self._victim.die_within(self._rng.uniform(*LIFE_SECONDS))
        await self._victim.start("")

    async def _live(self, http: aiohttp.ClientSession, name: str) -> None:
        await asyncio.sleep(self._names.index(name) / ARRIVALS_PER_SECOND)
        await self._send(http, self._body(name, over=False))
        await asyncio.sleep(self._rng.uniform(*FIRING_SECONDS))
        await self._send(http, self._body(name, over=name in self._ending))

    def _shard(self, name: str) -> int:
        return self._names.index(name) % self._size.channels

    def _body(self, name: str, *, over: bool) -> bytes:
        one = alert(
            name,
            severity="critical" if self._names.index(name) % 10 == 0 else "warning",
            starts_at=START,
            ends_at=END if over else None,
            labels={"shard": str(self._shard(name))},
            annotations={"summary": f"about {name}."},
        )
        return encoded(webhook(one, group_key=f"group {name}"))

    async def _send(self, http: aiohttp.ClientSession, body: bytes) -> None:
        """As Alertmanager does: the same body again until the answer is 200."""
        url = f"{self._victim.base}/api/v1/alertmanager"
        while True:
            with suppress(aiohttp.ClientError, OSError):
                async with http.post(url, data=body) as response:
                    if response.status == 200:
                        return
                    assert response.status == 503, await response.text()
            await asyncio.sleep(self._rng.uniform(0.1, 0.5))

    async def _settled(self, http: aiohttp.ClientSession) -> None:
        """Return when nothing waits any more.

        Raises:
            TimeoutError: something still waits.
        """
        async with asyncio.timeout(SETTLING_SECONDS):
            while await self._waits(http):  # noqa: ASYNC110 - it is in another process
                await asyncio.sleep(2.0)

    async def _waits(self, http: aiohttp.ClientSession) -> bool:
        cursor = ""
        while True:
            query = f"limit=500&cursor={cursor}" if cursor else "limit=500"
            async with http.get(f"{self._victim.base}/api/v1/incidents?{query}") as response:
                page = await response.json()
            rows = [row for each in page["incidents"] for row in each["deliveries"]]
            if any(row["state"] == "pending" for row in rows):
                return True
            cursor = page["next_cursor"]
            if not cursor:
                return False

    def _verdict(self, seconds: float) -> Verdict:
        lost, wrong, doubled = [], [], Counter[str]({"discord": 0, "slack": 0})
        for name in self._names:
            shard = self._shard(name)
            for chat, messages in self._chats.shown(shard):
                # a digest names several
                found = [each for each in messages if set(ABOUT.findall(each.text)) == {name}]
                if not found:
                    lost.append(name)
                    continue
                doubled[chat] += len(found) - 1
                if ("Resolved" in found[-1].text) != (name in self._ending):
                    wrong.append(name)
        fakes = (self._chats.discord, *self._chats.slacks)
        return Verdict(
            size=self._size,
            kills=dict(self._victim.deaths),
            lost=lost,
            wrong=wrong,
            duplicates=dict(doubled),
            unanswered=self._chats.unanswered,
            limited=sum(fake.answers[429] for fake in fakes),
            seconds=seconds,
        )


async def rage(size: Size) -> Verdict:
    """One run in a directory of its own."""
    with tempfile.TemporaryDirectory() as directory:
        return await Storm(size, Path(directory)).run()


def main() -> int:
    """Run it and print what it left behind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("incidents", "kills", "channels", "seed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(Size(), name))
    verdict = asyncio.run(rage(Size(**vars(parser.parse_args()))))
    kills = sum(verdict.kills.values())
    print(f"{verdict.size.incidents} incidents on 2 chats, {verdict.seconds:.0f} s")
    print(f"kills: {kills} ({', '.join(f'{n} {p}' for p, n in sorted(verdict.kills.items()))})")
    print(f"lost: {len(verdict.lost)} {verdict.lost[:5]}, wrong end: {len(verdict.wrong)}")
    for chat, number in verdict.duplicates.items():
        unanswered = f"{verdict.unanswered[chat]} posts were taken without an answer"
        print(f"{chat}: {number} duplicates; {unanswered}")
    print(f"answers 429: {verdict.limited}")
    print("every promise kept" if verdict.holds else "A PROMISE WAS BROKEN")
    return 0 if verdict.holds else 1


if __name__ == "__main__":
    sys.exit(main())
