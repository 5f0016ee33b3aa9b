"""A real process, killed at every place that matters: nothing accepted is lost."""

import asyncio
import os
import random
import re
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from notifier import killpoints
from notifier.testing import FakeDiscord, FakeMessage, FakeSlack, answer, cut_after, cut_before
from notifier.testing.slack import CHANNEL
from notifier.testing.webhooks import Body, alert, encoded, webhook

pytestmark = [pytest.mark.durability, pytest.mark.timeout(180)]

START = datetime(2026, 1, 1, tzinfo=UTC)
_SHOWN = re.compile(r'wiltonos_notifier_charts_total\{.*outcome="shown".*\} ')
END = datetime(2026, 1, 1, 0, 5, tzinfo=UTC)
COMMAND = "from wiltonos_otel.cli.entry import main; main()"
SETTINGS = """
[notifier]
listen = "127.0.0.1:{port}"
database = "sqlite:///notifier.db"
{charts}
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


async def until(holds: Callable[[], bool | Awaitable[bool]]) -> None:
    """Return once it holds, within a minute and a half."""
    async with asyncio.timeout(90):
        while True:
            held = holds()
            if held if isinstance(held, bool) else await held:
                return
            await asyncio.sleep(0.02)


class Child:
    """The notifier as a process of its own, which may die and be started again."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self._process: asyncio.subprocess.Process | None = None
        self.base = f"http://127.0.0.1:{port}"
        self.kills = 0

    async def start(self, kill_at: str = "") -> None:
        """Start it and wait until it answers."""
        environ = os.environ | {"NOTIFIER_TEST_KILL_AT": kill_at, "OTEL_METRICS_EXPORTER": "none"}
        # a start that compiles everything anew takes three times as long
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", COMMAND, "notifier", "run",
            "--config", str(self.directory / "wiltonos.toml"), "--log-level", "error",
            env=environ,
        )  # fmt: skip

    async def dead(self) -> None:
        """Wait until it has killed itself."""
        assert self._process is not None
        assert await asyncio.wait_for(self._process.wait(), 60) == -signal.SIGKILL
        self.kills += 1

    async def kill(self) -> None:
        """Kill it now."""
        assert self._process is not None
        self._process.kill()
        await self.dead()

    async def stop(self) -> int:
        """End it gracefully; returns its exit code."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.terminate()
        return await asyncio.wait_for(self._process.wait(), 15)


class Sender:
    """Sends as Alertmanager does: the same body again until the answer is 200."""

    def __init__(self, child: Child, http: aiohttp.ClientSession) -> None:
        self._child = child
        self._http = http

    async def send(self, body: Body) -> None:
        """Return once the body was accepted."""
        await until(lambda: self._accepted(encoded(body)))

    async def _accepted(self, raw: bytes) -> bool:
        url = f"{self._child.base}/api/v1/alertmanager"
        with suppress(aiohttp.ClientError, ConnectionError):
            async with self._http.post(url, data=raw) as response:
                assert response.status in {200, 503}
                return response.status == 200
        return False

    async def delivered(self) -> None:
        """Return once every delivery of every incident is done."""
        await until(self._settled)

    async def _settled(self) -> bool:
        with suppress(aiohttp.ClientError, ConnectionError):
            url = f"{self._child.base}/api/v1/incidents?limit=500"
            async with self._http.get(url) as response:
                incidents = (await response.json())["incidents"]
            states = {row["state"] for each in incidents for row in each["deliveries"]}
            return bool(incidents) and states == {"delivered"}
        return False

    async def noted_charts(self) -> bool:
        """Whether this process knows that both chats show a chart."""
        with suppress(aiohttp.ClientError, ConnectionError):
            async with self._http.get(f"{self._child.base}/metrics") as response:
                lines = (await response.text()).splitlines()
            shown = [line for line in lines if _SHOWN.match(line)]
            return len(shown) == 2 and all(float(line.split()[-1]) >= 1 for line in shown)
        return False


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    """A Slack without limits of rate."""
    async with FakeSlack(enforce_limits=False) as fake:
        yield fake


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    """A Discord without limits of rate."""
    async with FakeDiscord(enforce_limits=False) as fake:
        yield fake


@pytest.fixture
async def child(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    unused_tcp_port: int,
    slack: FakeSlack,
    discord: FakeDiscord,
) -> AsyncIterator[Child]:
    """A notifier that is not started yet; it draws charts where the test has a Prometheus."""
    charts = "charts = false"
    if "prometheus" in request.fixturenames:
        charts = f'prometheus_url = "{request.getfixturevalue("prometheus").url}"'
    text = SETTINGS.format(
        port=unused_tcp_port,
        slack=slack,
        channel=CHANNEL,
        hook=discord.webhook_url(),
        charts=charts,
    )
    (tmp_path / "wiltonos.toml").write_text(text)
    made = Child(tmp_path, unused_tcp_port)
    yield made
    await made.stop()


@pytest.fixture
async def sender(child: Child) -> AsyncIterator[Sender]:
    """Sends to the child."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as http:
        yield Sender(child, http)


def group(name: str, *, over: bool) -> Body:
    """A group of its own."""
    ends_at = END if over else None
    said = {"summary": f"<{name}>"}
    made = alert(name, severity="critical", starts_at=START, ends_at=ends_at, annotations=said)
    return webhook(made, group_key=f"group {name}")


def about(messages: list[FakeMessage], name: str) -> list[FakeMessage]:
    """The messages of an incident."""
    wanted = (f"<{name}>", f"&lt;{name}&gt;", f"\\<{name}\\>", f"\\<{name}>")
    return [m for m in messages if any(each in m.text for each in wanted)]


@pytest.mark.parametrize("point", killpoints.POINTS)
async def test_a_kill_at_any_place_loses_nothing(
    child: Child, sender: Sender, slack: FakeSlack, discord: FakeDiscord, point: str
) -> None:
    """The final state is right on both chats, with one duplicate at most per kill."""
    await child.start(f"{point}:1")
    sending = asyncio.create_task(sender.send(group("one", over=False)))
    await child.dead()
    await child.start()
    await sending
    await sender.send(group("one", over=True))
    await sender.delivered()
    assert await child.stop() == 0
    shown = [slack.messages[CHANNEL], discord.shown()]
    for messages in shown:
        assert "Resolved" in about(messages, "one")[-1].text
    assert sum(len(about(messages, "one")) for messages in shown) <= 2 + child.kills


@pytest.mark.parametrize("point", [killpoints.DIGEST_BEGUN, killpoints.DIGEST_SENT])
async def test_a_kill_doubles_no_digest_that_can_be_looked_up(
    child: Child, sender: Sender, slack: FakeSlack, discord: FakeDiscord, point: str
) -> None:
    """One at most where it can, two where it cannot; and every incident has its own message."""
    file = child.directory / "wiltonos.toml"
    text = file.read_text().replace("[notifier]", "[notifier]\ndigest_after_seconds = 1", 1)
    file.write_text(text)
    names = [f"n{number}" for number in range(6)]
    await child.start(f"{point}:1")
    sending = asyncio.gather(*(sender.send(group(name, over=False)) for name in names))
    await child.dead()
    await child.start()
    await sending
    await sender.delivered()
    for messages, most in ((slack.messages[CHANNEL], 1), (discord.shown(), 2)):
        digests = [message for message in messages if "incidents at once" in message.text]
        assert len(digests) <= most
        assert all(about([m for m in messages if m not in digests], name) for name in names)


@pytest.mark.usefixtures("prometheus")
@pytest.mark.parametrize("point", killpoints.CHART_POINTS)
async def test_a_kill_while_a_chart_is_shown_costs_nothing(
    child: Child, sender: Sender, slack: FakeSlack, discord: FakeDiscord, point: str
) -> None:
    """The next start draws it again; no message is doubled, and the end takes the chart over."""
    await child.start(point)
    await sender.send(group("one", over=False))
    await child.dead()
    await child.start()

    def charted() -> bool:
        (on_slack,), (on_discord,) = slack.messages[CHANNEL], discord.shown()
        return len(on_slack.files) == len(on_discord.files) == 1

    # one that died may have shown it without a note of that; the next draws it again
    await until(sender.noted_charts)
    assert charted()
    await sender.send(group("one", over=True))
    await sender.delivered()
    assert charted()
    assert await child.stop() == 0
    for messages in (slack.messages[CHANNEL], discord.shown()):
        (message,) = about(messages, "one")
        assert "Resolved" in message.text


async def test_random_kills_and_faults_leave_every_incident_right(
    child: Child, sender: Sender, slack: FakeSlack, discord: FakeDiscord
) -> None:
    """Incidents fire and resolve while the process dies and the chats misbehave.

    A dozen of them: the notifier keeps Discord's 30 requests a minute though this fake does not.
    """
    rng = random.Random(5)
    for fake in (slack, discord):
        for fault in (answer(500), cut_before(), answer(429, "{}", Retry_After="0")):
            fake.faults.chance(0.05, fault, seed=1)
    discord.faults.chance(0.03, cut_after())
    names = [f"n{number:02d}" for number in range(12)]
    await child.start()

    async def live(name: str) -> None:
        await sender.send(group(name, over=False))
        await sender.send(group(name, over=True))

    def shows(count: int) -> bool:
        return len(slack.messages[CHANNEL]) >= count

    async def murder() -> None:
        for count in (rng.randrange(2, 5), rng.randrange(6, 10)):
            await until(partial(shows, count))
            await child.kill()
            await child.start()

    await asyncio.gather(murder(), *(live(name) for name in names))
    for fake in (slack, discord):
        fake.faults.clear()
    await sender.delivered()
    for name in names:
        for messages in (slack.messages[CHANNEL], discord.shown()):
            found = about(messages, name)
            assert found, name
            assert "Resolved" in found[-1].text


async def test_a_second_notifier_on_the_same_file_ends_with_one_line(
    child: Child, sender: Sender, tmp_path: Path
) -> None:
    """The one that runs is not disturbed."""
    await child.start()
    await sender.send(group("one", over=False))
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", COMMAND, "notifier", "run",
        "--config", str(tmp_path / "wiltonos.toml"),
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, said = await asyncio.wait_for(other.communicate(), 60)
    assert other.returncode == 1
    assert b"is in use by another notifier (process " in said
    assert len(said.splitlines()) == 1
    await sender.delivered()
