"""A real Alertmanager, and a notifier that it reports to."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from notifier.clock import SystemClock
from notifier.testing.slack_socket import APP_TOKEN
from wiltonos_otel.stack.rules_check import find

CONFIG = """
route:
  receiver: notifier
  group_by: [job]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
receivers:
- name: notifier
  webhook_configs:
  - url: {url}/api/v1/alertmanager
"""
_LINK = re.compile(r"/silence/[\w.-]+")


class Alertmanager:
    """The real program on a free port."""

    def __init__(self, program: Path, directory: Path, port: int) -> None:
        self._program = program
        self._directory = directory
        self._process: asyncio.subprocess.Process | None = None
        self.url = f"http://127.0.0.1:{port}"

    async def start(self, notifier_url: str) -> None:
        """Start it with nothing in memory, and wait until it takes alerts."""
        file = self._directory / "alertmanager.yml"
        file.write_text(CONFIG.format(url=notifier_url))
        with (self._directory / "am.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                self._program, f"--config.file={file}",
                f"--storage.path={self._directory / 'am'}",
                f"--web.listen-address={self.url.removeprefix('http://')}",
                "--cluster.listen-address=",
                stdout=log, stderr=log,
            )  # fmt: skip

    async def ready(self) -> bool:
        """Whether it takes alerts."""
        try:
            async with aiohttp.ClientSession() as http, http.get(f"{self.url}/-/ready") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """An answer of its API."""
        url = f"{self.url}/api/v2/{path}"
        async with aiohttp.ClientSession() as http, http.request(method, url, json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json() if answer.content_length != 0 else None

    async def say(self, *names: str, over: tuple[str, ...] = ()) -> None:
        """Report alerts as Prometheus does."""
        now = SystemClock().now()
        await self.ask(
            "POST",
            "alerts",
            [
                {
                    "labels": {"alertname": name, "job": "j", "severity": "warning"},
                    "annotations": {"summary": f"{name} is wrong"},
                    "startsAt": (now - timedelta(minutes=1)).isoformat(),
                    "endsAt": (now if name in over else now + timedelta(minutes=5)).isoformat(),
                }
                for name in (*names, *over)
            ],
        )

    async def silences(self) -> list[dict[str, Any]]:
        """The silences that hold something back."""
        found: list[dict[str, Any]] = await self.ask("GET", "silences")
        return [each for each in found if each["status"]["state"] == "active"]

    async def stop(self) -> None:
        """End it."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()


@dataclass
class Scene:
    """A notifier whose Alertmanager is real.

    Attributes:
        run: the notifier, see ``tests/notifier/conftest.py``.
        am: its Alertmanager.
        eventually: waits until something holds.
    """

    run: Any
    am: Alertmanager
    eventually: Callable[..., Awaitable[None]]

    @property
    def follower(self) -> Any:
        """What follows Alertmanager's lists."""
        return self.run.service.silences.follower

    async def incident(self) -> dict[str, Any]:
        """The one incident, as the page gets it."""
        rows = (await self.run.get("/api/v1/inbox"))["incidents"]
        assert len(rows) == 1
        detail: dict[str, Any] = await self.run.get(f"/api/v1/inbox/{rows[0]['id']}")
        return detail

    def message(self) -> str:
        """All that the living message in Slack says."""
        (message,) = self.run.slack_messages()
        return str(message.payload.get("blocks", message.text))

    def links(self) -> dict[str, str]:
        """The signed links of the message, by the first letter of what they do."""
        found = _LINK.findall(self.message())
        return {path.removeprefix("/silence/")[0]: self.run.base + path for path in found}

    async def says(self, text: str) -> None:
        """Wait until the message says it."""

        async def it_does() -> bool:
            return text in self.message()

        await self.eventually(it_does)

    async def fires(self, *names: str) -> None:
        """Let alerts fire, and wait for the message about them."""
        await self.am.say(*names)

        async def known() -> bool:
            rows = (await self.run.get("/api/v1/inbox"))["incidents"]
            return bool(rows) and rows[0]["firing"] == len(names)

        await self.eventually(known)
        await self.run.delivered()

    async def submit(self, url: str, **form: str) -> tuple[int, str]:
        """Send the form of a page."""
        async with self.run.http.post(url, data=form) as answer:
            return answer.status, await answer.text()


@pytest.fixture
async def alertmanager(tmp_path: Path, unused_tcp_port: int) -> AsyncIterator[Alertmanager]:
    """The real program, not started; skipped where it is not built yet."""
    program = find("alertmanager")
    if program is None:
        pytest.skip("Alertmanager is not built yet; run ./wt metrics bootstrap --native")
    made = Alertmanager(program, tmp_path, unused_tcp_port)
    yield made
    await made.stop()


@pytest.fixture
async def scene(
    start: Callable[..., Any],
    texts: dict[str, str],
    alertmanager: Alertmanager,
    eventually: Callable[..., Awaitable[None]],
) -> Scene:
    """Both, running, with Slack as the only channel."""
    return await staged(start, texts["slack"], alertmanager, eventually)


@pytest.fixture
async def scene_with_buttons(
    start: Callable[..., Any],
    texts: dict[str, str],
    alertmanager: Alertmanager,
    eventually: Callable[..., Awaitable[None]],
) -> Scene:
    """Both, running, and an app token for the one channel."""
    channel = f'{texts["slack"]}app_token = "{APP_TOKEN}"\n'
    scene = await staged(start, channel, alertmanager, eventually)

    async def heard() -> bool:
        return bool(scene.run.slack.socket.connected)

    await eventually(heard)
    return scene


async def staged(
    start: Callable[..., Any],
    channels: str,
    alertmanager: Alertmanager,
    eventually: Callable[..., Awaitable[None]],
) -> Scene:
    """A notifier with these channels, and its Alertmanager."""
    extra = f'alertmanager_url = "{alertmanager.url}"\nack_minutes = 1'
    run = await start(channels, extra)
    await alertmanager.start(run.base)
    await eventually(alertmanager.ready)
    return Scene(run, alertmanager, eventually)
