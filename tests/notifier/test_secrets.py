"""No secret leaves the process: not at debug, not when chats misbehave, not in any document."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from notifier.testing import (
    FakeDiscord,
    FakeSlack,
    answer,
    cut_after,
    cut_before,
    discord_error,
    slack_error,
)
from notifier.testing.faults import Fault
from notifier.testing.slack import CHANNEL
from notifier.testing.webhooks import alert, encoded, webhook
from wiltonos_service.telemetry.testing import OtlpReceiver, otlp_receiver

COMMAND = "from wiltonos_otel.cli.entry import main; main()"
# each in a form of its own, none like a word that stands anywhere else
BOT_TOKEN = "xoxb-2718281828-cantaloupe7Kq"
APP_TOKEN = "xapp-1-3141592653-rutabaga9Zw"
BEARER = "salsify-4Tn_8.Vx"
PASSWORD = "kohlrabi-6Bm"
OTLP_PASSWORD = "parsnip-2Hd"
OTLP_KEY = "celeriac-5Rj"
ALIVE = "scorzonera-8Lf"
PAGES = (
    "/",
    "/runbooks",
    "/metrics",
    "/-/healthy",
    "/-/ready",
    "/api/v1/incidents?limit=500",
    "/api/v1/dead-letters",
    "/api/v1/silences",
    "/no/such/page",
)
SETTINGS = """
[notifier]
listen = "127.0.0.1:{port}"
database = "{database}"
bearer_token_file = "token"
alertmanager_url = ""
alive_url_file = "alive_url"

[telemetry]
traces = true
otlp_endpoint = "http://ops:{otlp_password}@127.0.0.1:{otlp_port}"

[[notifier.channels]]
name = "slack"
kind = "slack"
token = "{bot_token}"
app_token_file = "app_token"
channel = "{channel}"
api_url = "{slack.api_url}"

[[notifier.channels]]
name = "hook"
kind = "slack_webhook"
url = "{hook}"

[[notifier.channels]]
name = "discord"
kind = "discord_webhook"
url_file = "discord_url"
"""


@dataclass
class Suspect:
    """The notifier as a process at debug, its chats, and the receiver of its telemetry."""

    base: str
    directory: Path
    process: asyncio.subprocess.Process
    slack: FakeSlack
    discord: FakeDiscord
    receiver: OtlpReceiver
    http: aiohttp.ClientSession
    groups: int = 0

    @property
    def secrets(self) -> list[str]:
        """All that must show nowhere."""
        hooks = [self.slack.webhook_url(CHANNEL), self.discord.webhook_url()]
        parts = [url.rpartition("/")[2] for url in hooks]
        return [BOT_TOKEN, APP_TOKEN, BEARER, PASSWORD, OTLP_PASSWORD, OTLP_KEY, ALIVE, *parts]

    async def post(self, raw: bytes, token: str = BEARER) -> int:
        """Send a body; the status of the answer."""
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.base}/api/v1/alertmanager"
        async with self.http.post(url, data=raw, headers=headers) as response:
            return response.status

    async def fire(self) -> None:
        """Let a group of its own fire."""
        self.groups += 1
        body = webhook(alert(f"A{self.groups}"), group_key=f"g{self.groups}")
        assert await self.post(encoded(body)) == 200

    async def rows(self) -> list[dict[str, Any]]:
        """Every delivery."""
        async with self.http.get(f"{self.base}/api/v1/incidents?limit=500") as response:
            incidents = (await response.json())["incidents"]
        return [row for each in incidents for row in each["deliveries"]]

    async def settled(self) -> bool:
        """Whether nothing waits."""
        rows = await self.rows()
        return bool(rows) and all(row["state"] != "pending" for row in rows)

    async def met(self) -> bool:
        """Whether all trouble that was prepared has been met."""
        return self.slack.faults.left == self.discord.faults.left == 0

    async def unheard(self) -> bool:
        """Whether the sign of life was refused, and that is told."""
        return "alive_url answers 500" in await self.read("/-/ready")

    async def refused(self) -> bool:
        """Whether some chat could not even be connected to."""
        return any("Connect" in (row["last_error"] or "") for row in await self.rows())

    async def read(self, path: str) -> str:
        """A page as a reader gets it, with its headers."""
        async with self.http.get(self.base + path, headers={"Accept": "*/*"}) as response:
            return f"{dict(response.headers)}\n{await response.text()}"

    async def documents(self) -> dict[str, str]:
        """Everything that can be read over HTTP."""
        shown = {path: await self.read(path) for path in PAGES}
        async with self.http.get(f"{self.base}/api/v1/dead-letters") as response:
            letters = (await response.json())["dead_letters"]
        assert {each["kind"] for each in letters} == {"delivery", "ingest"}
        async with self.http.get(f"{self.base}/api/v1/incidents?limit=500") as response:
            incidents = (await response.json())["incidents"]
        for kind, found in (("dead-letters", letters), ("incidents", incidents)):
            for each in found:
                path = f"/api/v1/{kind}/{each['id']}"
                shown[path] = await self.read(path)
        return shown

    def command(self) -> str:
        """Its command line, which every user of the machine can read."""
        return Path(f"/proc/{self.process.pid}/cmdline").read_text()

    def telemetry(self) -> dict[str, str]:
        """Every span and every metric that was pushed, as text."""
        return {
            f"push {number} {each.path}": f"{each.request}{each.traces}"
            for number, each in enumerate(self.receiver.received)
        }


def _outside() -> web.Application:
    """Takes no sign of life, and says the address back."""

    async def refuse(request: web.Request) -> web.Response:
        headers = {"Location": str(request.url), "Set-Cookie": f"path={request.path}; {{"}
        return web.Response(status=500, text=f"no {request.url}", headers=headers)

    app = web.Application()
    app.router.add_get("/ping/{id}", refuse)
    return app


@pytest.fixture
async def suspect(
    tmp_path: Path, database_url: str, unused_tcp_port: int, eventually: Callable[..., Any]
) -> AsyncIterator[Suspect]:
    """A running notifier whose every secret can be told."""
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(FakeSlack(token=BOT_TOKEN, enforce_limits=False))
        slack.socket.app_token = APP_TOKEN
        discord = await stack.enter_async_context(FakeDiscord(enforce_limits=False))
        receiver = stack.enter_context(otlp_receiver())
        http = await stack.enter_async_context(aiohttp.ClientSession())
        outside = await stack.enter_async_context(TestServer(_outside()))
        for name, text in (
            ("token", BEARER),
            ("alive_url", str(outside.make_url(f"/ping/{ALIVE}"))),
            ("app_token", APP_TOKEN),
            ("discord_url", discord.webhook_url()),
            ("wiltonos.toml", SETTINGS.format(
                port=unused_tcp_port,
                database=database_url.replace("wiltonos@", f"wiltonos:{PASSWORD}@"),
                otlp_password=OTLP_PASSWORD, otlp_port=receiver.port,
                bot_token=BOT_TOKEN, channel=CHANNEL, slack=slack,
                hook=slack.webhook_url(CHANNEL),
            )),
        ):  # fmt: skip
            (tmp_path / name).write_text(text)
        with (tmp_path / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", COMMAND, "notifier", "run",
                "--config", str(tmp_path / "wiltonos.toml"), "--log-level", "debug",
                stdout=log, stderr=log,
                env=os.environ | {"OTEL_EXPORTER_OTLP_HEADERS": f"x-api-key={OTLP_KEY}"},
            )  # fmt: skip
        base = f"http://127.0.0.1:{unused_tcp_port}"
        made = Suspect(base, tmp_path, process, slack, discord, receiver, http)

        async def up() -> bool:
            assert process.returncode is None, (tmp_path / "log").read_text()
            try:
                async with http.get(f"{base}/-/healthy") as response:
                    return response.status == 200
            except aiohttp.ClientError:
                return False

        await eventually(up)
        yield made
        if process.returncode is None:
            process.kill()
            await process.wait()


def _trouble(suspect: Suspect) -> list[tuple[Fault, Fault, Fault]]:
    """What Slack's bot and hook, and Discord, do in turn; they echo what they were sent."""
    bot, hook, discord = (
        BOT_TOKEN,
        suspect.slack.webhook_url(CHANNEL),
        suspect.discord.webhook_url(),
    )
    return [
        (answer(500, f"no {bot}"), answer(500, f"no {hook}"), answer(500, f"no {discord}")),
        (cut_before(), cut_before(), cut_before()),
        (cut_after(), cut_after(), cut_after()),
        (
            slack_error("invalid_blocks"),
            answer(400, f"invalid_payload {hook}"),
            discord_error(400, 50035, f"Invalid Form Body {discord}"),
        ),
        (answer(403, f"no {bot}"), answer(403, f"no {hook}"), answer(403, f"no {discord}")),
    ]


async def test_no_secret_is_found_in_anything_that_leaves_the_process(
    suspect: Suspect, eventually: Callable[..., Any]
) -> None:
    """Logs at debug, pages, documents, dead letters, metrics, spans, command line, database."""
    await suspect.fire()
    await eventually(suspect.settled)
    await eventually(suspect.unheard)
    assert await suspect.post(b"rubbish, Bearer " + BEARER.encode()) == 400
    assert await suspect.post(b"{}", token="turnip") == 401
    for of_bot, of_hook, of_discord in _trouble(suspect):
        # the bot and the hook share a server: each meets what is meant for either
        suspect.slack.faults.add(of_bot, of_hook)
        suspect.discord.faults.add(of_discord)
    for _ in _trouble(suspect):
        await suspect.fire()
    await eventually(suspect.met)
    documents = await suspect.documents()
    command = suspect.command()
    await suspect.slack.close()
    await suspect.discord.close()
    await suspect.fire()
    await eventually(suspect.refused)
    documents |= {f"{k} at the end": v for k, v in (await suspect.documents()).items()}
    suspect.process.terminate()
    assert await asyncio.wait_for(suspect.process.wait(), 15) == 0
    log = (suspect.directory / "log").read_text()
    outcomes = {
        span.attributes.get("wiltonos.notifier.outcome") for span in suspect.receiver.spans()
    }
    # the test is worth something only if all of it happened
    assert {"delivered", "transient", "unknown", "payload_refused"} <= outcomes
    assert '"level": "debug"' in log
    assert '"trace_id"' in log
    database = {
        file.name: file.read_bytes().decode("latin-1")
        for file in suspect.directory.glob("notifier.db*")
    }
    everything = {"log": log, "command": command, **documents, **suspect.telemetry(), **database}
    leaks = {
        (place, secret)
        for place, text in everything.items()
        for secret in suspect.secrets
        if secret in text
    }
    assert not leaks
