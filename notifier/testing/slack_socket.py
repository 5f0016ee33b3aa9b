"""Slack's Socket Mode: buttons are pressed here, and the app hears of it over a WebSocket.

docs.slack.dev, "Using Socket Mode": a ticket by ``apps.connections.open`` with an app token, an
envelope for each interaction, an acknowledgement within 3 seconds.
"""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

from notifier.testing.record import FakeMessage
from notifier.testing.slack_wire import failed, fine, json_body

APP_TOKEN = "xapp-1-fake-app-token"  # noqa: S105 - a fake's
ACK_SECONDS = 3.0


class SlackSocket:
    """The side of the fake workspace that has buttons.

    Attributes:
        app_token: what ``apps.connections.open`` accepts.
        responses: what was said through a ``response_url``, to the one who pressed only.
    """

    def __init__(self, base_url: Callable[[], str]) -> None:
        self.app_token = APP_TOKEN
        self.responses: list[dict[str, Any]] = []
        self._base_url = base_url
        self._sockets: set[web.WebSocketResponse] = set()
        self._numbers = itertools.count(1)
        self._tickets: set[str] = set()
        self._acks: dict[str, asyncio.Event] = {}

    def install(self, app: web.Application) -> None:
        """Add the routes; before the route of all other methods."""
        app.router.add_post("/api/apps.connections.open", self._open)
        app.router.add_get("/link/{ticket}", self._connect)
        app.router.add_post("/actions/respond", self._respond)
        app.on_shutdown.append(self._close)

    @property
    def connected(self) -> bool:
        """Whether the app listens."""
        return bool(self._sockets)

    async def press(self, message: FakeMessage, label: str, user: str = "ana") -> None:
        """Press the button of this label as a person would.

        Raises:
            LookupError: the message has no such button, or nobody listens.
            TimeoutError: the app did not acknowledge within 3 seconds.
        """
        blocks = message.payload.get("blocks", ())
        buttons = [each for block in blocks for each in block.get("elements", ())]
        (button,) = [b for b in buttons if b["type"] == "button" and b["text"]["text"] == label]
        envelope = f"envelope-{next(self._numbers)}"
        ack = self._acks[envelope] = asyncio.Event()
        action = {k: button.get(k) for k in ("action_id", "value", "type")}
        payload = {
            "type": "block_actions",
            "user": {"id": "U0000000001", "username": user, "name": user},
            "actions": [action],
            "channel": {"id": message.channel},
            "message": {"ts": message.id},
            "response_url": f"{self._base_url()}/actions/respond",
        }
        await self._say({"type": "interactive", "envelope_id": envelope, "payload": payload})
        async with asyncio.timeout(ACK_SECONDS):
            await ack.wait()

    async def cut(self) -> None:
        """End every connection, as Slack does from time to time."""
        for socket in list(self._sockets):
            await socket.close()

    async def _say(self, document: dict[str, Any]) -> None:
        # of several connections Slack chooses one
        for socket in self._sockets:
            await socket.send_json(document)
            return
        raise LookupError("no app is connected")

    async def _open(self, request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if given != self.app_token:
            return failed("invalid_auth" if given else "not_authed")
        ticket = f"ticket-{next(self._numbers)}"
        self._tickets.add(ticket)
        return fine(url=f"{self._base_url().replace('http', 'ws', 1)}/link/{ticket}")

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        ticket = request.match_info["ticket"]
        if ticket not in self._tickets:
            return web.Response(status=404)
        self._tickets.remove(ticket)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            await socket.send_json({"type": "hello", "num_connections": len(self._sockets)})
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._hear(message.json())
        finally:
            self._sockets.discard(socket)
        return socket

    def _hear(self, document: dict[str, Any]) -> None:
        ack = self._acks.pop(str(document.get("envelope_id")), None)
        if ack is not None:
            ack.set()

    async def _respond(self, request: web.Request) -> web.Response:
        self.responses.append(await json_body(request) or {})
        return web.Response(text="ok")

    async def _close(self, _app: web.Application) -> None:
        await self.cut()
