"""A native stack of its own, with a fake Slack and a fake Discord that keep the real limits."""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from aiohttp import ClientSession

from benchmarks.ports import free_offset
from notifier.testing import FakeDiscord, FakeMessage, FakeSlack
from wiltonos_otel.stack.ports import Ports

WT = "from wiltonos_otel.cli.entry import main; main()"
STEADY = 0.75
CONFIG = """
[notifier]
heartbeat_timeout_seconds = 0
reopen_seconds = 0
# the edit that shows a chart would be taken for the message
charts = false

[[notifier.channels]]
name = "slack"
kind = "slack"
token = "{slack.token}"
channel = "{channel}"
api_url = "{slack.api_url}"

[[notifier.channels]]
name = "discord"
kind = "discord_webhook"
url = "{discord_url}"
"""


@dataclass
class Pipeline:
    """A running stack.

    Attributes:
        state: the state file that its exporter watches.
        prometheus: base URL.
        slack: the fake, with what it was sent.
        discord: the fake, with what it was sent.
        session: for queries.
    """

    state: Path
    prometheus: str
    slack: FakeSlack
    discord: FakeDiscord
    session: ClientSession

    def write(self, phi: float) -> None:
        """Replace the state file, whole."""
        beside = self.state.with_name(".new")
        beside.write_text(json.dumps({"timestamp": time.time_ns() / 1e9, "phi": phi}))
        beside.replace(self.state)

    async def phi(self) -> float | None:
        """What Prometheus says that Φ is now."""
        query = quote("wiltonos_quantum_coherence_ratio")
        async with self.session.get(f"{self.prometheus}/api/v1/query?query={query}") as answer:
            result = (await answer.json())["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    def chats(self) -> dict[str, list[FakeMessage]]:
        """Every message of both chats."""
        slack, discord = self.slack.messages, self.discord.messages
        return {
            "slack": [message for channel in slack.values() for message in channel],
            "discord": [message for channel in discord.values() for message in channel],
        }

    async def hold_steady(self, seconds: float) -> None:
        """Write the steady Φ once a second for a while."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.write(STEADY)
            await asyncio.sleep(1)


@asynccontextmanager
async def running() -> AsyncIterator[Pipeline]:
    """A stack on ports of its own; it is gone at the end of the block."""
    async with AsyncExitStack() as stack:
        base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wiltonos-bench-")))
        slack = await stack.enter_async_context(FakeSlack())
        discord = await stack.enter_async_context(FakeDiscord())
        session = await stack.enter_async_context(ClientSession())
        config = base / "wiltonos.toml"
        config.write_text(
            CONFIG.format(
                slack=slack, channel=next(iter(slack.channels)), discord_url=discord.webhook_url()
            )
        )
        state = base / "state" / "quantum_state.json"
        state.parent.mkdir()
        offset = free_offset()
        prometheus = f"http://127.0.0.1:{Ports.at(offset).prometheus}"
        pipeline = Pipeline(state, prometheus, slack, discord, session)
        pipeline.write(STEADY)
        chosen = ("--native", "--port-offset", str(offset), "--state", str(state.parent))
        try:
            await _wt(config, "bootstrap", *chosen)
            yield pipeline
        finally:
            await _wt(config, "down")


async def _wt(config: Path, command: str, *arguments: str) -> None:
    words = ["metrics", command, "--config", str(config), *arguments]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WT,
        *words,
        cwd=config.parent,
        env={**os.environ, "NO_COLOR": "1"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"wt {' '.join(words)}: {said.decode().strip()}")
