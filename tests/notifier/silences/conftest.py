"""A notifier whose Alertmanager is real."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from notifier.testing.slack_socket import APP_TOKEN

_LINK = re.compile(r"/silence/[\w.-]+")


@dataclass
class Scene:
    """A notifier whose Alertmanager is real.

    Attributes:
        run: the notifier, see ``tests/notifier/conftest.py``.
        am: its Alertmanager.
        eventually: waits until something holds.
    """

    run: Any
    am: Any
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
async def scene(
    start: Callable[..., Any],
    texts: dict[str, str],
    alertmanager: Any,
    eventually: Callable[..., Awaitable[None]],
) -> Scene:
    """Both, running, with Slack as the only channel."""
    return await staged(start, texts["slack"], alertmanager, eventually)


@pytest.fixture
async def scene_with_buttons(
    start: Callable[..., Any],
    texts: dict[str, str],
    alertmanager: Any,
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
    alertmanager: Any,
    eventually: Callable[..., Awaitable[None]],
) -> Scene:
    """A notifier with these channels, and its Alertmanager."""
    extra = f'alertmanager_url = "{alertmanager.url}"\nack_minutes = 1'
    run = await start(channels, extra)
    await alertmanager.start(run.base)
    return Scene(run, alertmanager, eventually)
