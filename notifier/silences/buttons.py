"""Buttons of Slack, over Socket Mode: no public address is needed, only a way out.

docs.slack.dev, "Using Socket Mode": what was pressed is acknowledged within 3 seconds, then done.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import structlog
from slack_sdk.errors import SlackClientError
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from notifier.deliver.http import FAILURES, quiet_logger
from notifier.errors import NotifierError
from notifier.render.slack import ACTION
from notifier.silences.asking import Ask, Desk
from notifier.silences.links import Action
from wiltonos_service.errors import SettingsError
from wiltonos_service.logs import ChangeLog
from wiltonos_service.secrets import Secret

log = structlog.get_logger(__name__)

RETRY_SECONDS = 10.0
SLOWEST_SECONDS = 120.0
# slack_sdk tells of each attempt with a traceback; we tell of each change
_LOGGER = quiet_logger("notifier.slack_socket")
_LOGGER.setLevel("CRITICAL")


@dataclass(frozen=True)
class App:
    """A Slack app whose buttons are heard.

    Attributes:
        secret: the app token (scope connections:write).
        api_url: base of the Web API.
    """

    secret: Secret
    api_url: str


@dataclass
class Buttons:
    """Hears one app and does what was pressed.

    Attributes:
        app: whose buttons.
        desk: does what is asked.
        session: answers the one who pressed.
    """

    app: App
    desk: Desk
    session: aiohttp.ClientSession
    _changes: ChangeLog = field(default_factory=ChangeLog)
    _working: set["asyncio.Task[None]"] = field(default_factory=set)

    async def run(self, stopping: asyncio.Event) -> None:
        """Stay connected until told to stop; nothing waits for that."""
        client: SocketModeClient | None = None
        wait = RETRY_SECONDS
        while client is None and not stopping.is_set():
            client = await self._open()
            if client is None:
                await _pause(wait, stopping)
                wait = min(wait * 2, SLOWEST_SECONDS)
        await stopping.wait()
        if client is not None:
            await client.close()  # type: ignore[no-untyped-call]
        await asyncio.gather(*self._working, return_exceptions=True)

    async def _open(self) -> SocketModeClient | None:
        """A connected client; the first address is asked for here, where an error can be told."""
        try:
            token = self.app.secret.read()
            web = AsyncWebClient(base_url=self.app.api_url, logger=_LOGGER, retry_handlers=[])
            answer = await web.apps_connections_open(app_token=token)
        except SettingsError as error:
            self._say(str(error))
            return None
        except (SlackClientError, *FAILURES) as error:
            self._say(_words(error))
            return None
        client = SocketModeClient(token, logger=_LOGGER, web_client=web)
        client.wss_uri = str(answer["url"])
        client.socket_mode_request_listeners.append(self._hear)
        try:
            # tries for ever; whoever ends us cancels it
            await client.connect()  # type: ignore[no-untyped-call]
        except asyncio.CancelledError:
            await client.close()  # type: ignore[no-untyped-call]
            raise
        self._say("")
        return client

    async def _hear(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        await client.send_socket_mode_response(SocketModeResponse(request.envelope_id))
        if request.type != "interactive":
            return
        for action in request.payload.get("actions") or ():
            task = asyncio.create_task(self._press(request.payload, action))
            self._working.add(task)
            task.add_done_callback(self._working.discard)

    async def _press(self, payload: Mapping[str, Any], action: Mapping[str, Any]) -> None:
        name = str(action.get("action_id", "")).removeprefix(ACTION)
        if name not in set(Action):
            return
        user = payload.get("user") or {}
        by = str(user.get("username") or user.get("name") or user.get("id") or "")
        try:
            await self.desk.act(Action(name), str(action.get("value", "")), Ask(by[:100]))
        except NotifierError as error:
            await self._answer(str(payload.get("response_url", "")), str(error))

    async def _answer(self, url: str, text: str) -> None:
        """Tell the one who pressed, and nobody else."""
        body = {"text": f"⚠️ {text}", "response_type": "ephemeral", "replace_original": False}
        try:
            async with self.session.post(url, json=body):
                return
        except (*FAILURES, aiohttp.InvalidURL) as error:
            log.warning("a button could not be answered", problem=_words(error))

    def _say(self, problem: str) -> None:
        if not self._changes.changed("socket", problem):
            return
        if problem:
            log.warning("Slack's buttons cannot be heard", problem=problem)
        else:
            log.info("Slack's buttons are heard")


def _words(error: BaseException) -> str:
    """An error without the address, which holds a ticket."""
    answer = getattr(error, "response", None)
    said = answer.get("error") if answer is not None and hasattr(answer, "get") else None
    return str(said or type(error).__name__)


async def _pause(seconds: float, stopping: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return
