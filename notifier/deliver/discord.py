"""Delivers to Discord by an incoming webhook.

``discord-webhook`` builds the payload; its transport loses messages and leaks the address, so
the requests are our own, to version 10 of the API, always with ``wait=true``.
"""

import copy
import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import aiohttp
import orjson
from discord_webhook import DiscordEmbed, DiscordWebhook

from notifier.clock import Clock
from notifier.deliver import classify
from notifier.deliver.classify import Answer
from notifier.deliver.http import FAILURES, HOST, failed_exchange, read_answer, scrubbed
from notifier.deliver.outcome import Outcome, OutcomeKind, Receipt
from notifier.deliver.pacing import DiscordPace
from notifier.deliver.protocol import Chart, Operation, Rendered
from wiltonos_service.errors import SettingsError
from wiltonos_service.secrets import Secret

CHART = "chart.png"
_MAX_ALT = 1000
_ADDRESS = re.compile(
    rf"(https?://{HOST})/api(?:/v\d+)?/webhooks/(\d+)/([A-Za-z0-9_.-]+)/?(?:\?.*)?"
)
# what the library would also send: its own settings, a proxy's password among them
_KEYS = ("content", "username", "avatar_url", "tts", "embeds", "allowed_mentions", "flags")
_NO_MENTIONS: Mapping[str, Any] = {"parse": []}


def is_address(url: str) -> bool:
    """Whether the address can be that of a webhook of Discord."""
    return _ADDRESS.fullmatch(url) is not None


def user_agent() -> str:
    """``DiscordBot (address, version)``, the form that Discord demands."""
    try:
        number = version("wiltonos-otel")
    except PackageNotFoundError:
        number = "0"
    return f"DiscordBot (https://opentelemetry.io, {number})"


class DiscordHook:
    """One channel or thread, written by an incoming webhook.

    Args:
        secret: the webhook's address; read again when its file changes.
        session: shared with the other deliverers.
        clock: the time.
        pace: the budgets.
        thread_id: write into this thread; "" writes into the channel.
    """

    can_edit = True
    can_find = False

    def __init__(
        self,
        *,
        secret: Secret,
        session: aiohttp.ClientSession,
        clock: Clock,
        pace: DiscordPace,
        thread_id: str = "",
    ) -> None:
        self._secret = secret
        self._session = session
        self._clock = clock
        self._pace = pace
        self._thread = thread_id
        self._agent = user_agent()

    def next_allowed(self, operation: Operation, *, urgent: bool = False) -> float:
        """See :class:`notifier.deliver.protocol.Paced`."""
        return self._pace.next_allowed(self._clock.monotonic(), operation, urgent=urgent)

    def seconds_for(self, operation: Operation, count: int) -> float:
        """See :class:`notifier.deliver.protocol.Paced`."""
        return self._pace.seconds_for(operation, count)

    async def post(self, message: Rendered) -> Outcome:
        """Post a new message."""
        return await self._send(Operation.POST, "POST", "", payload(message.payload))

    async def reply(self, _receipt: Receipt, message: Rendered) -> Outcome:
        """Post a message beside the living one: webhooks cannot refer to a message."""
        return await self._send(Operation.REPLY, "POST", "", payload(message.payload))

    async def edit(self, receipt: Receipt, message: Rendered) -> Outcome:
        """Change a message; the chart that it shows stays."""
        body = payload(message.payload)
        body["attachments"] = [{"id": receipt.attachment}] if receipt.attachment else []
        if receipt.attachment:
            _show_chart(body)
        return await self._send(Operation.EDIT, "PATCH", f"/messages/{receipt.message}", body)

    async def delete(self, receipt: Receipt) -> Outcome:
        """Take a message away; one that is gone already counts as delivered."""
        path = f"/messages/{receipt.message}"
        outcome = await self._send(Operation.DELETE, "DELETE", path, None)
        gone = outcome.kind in {OutcomeKind.MESSAGE_GONE, OutcomeKind.DELIVERED}
        return Outcome(OutcomeKind.DELIVERED, receipt) if gone else outcome

    async def find(self, _marker: str, _thread: Receipt | None = None) -> Receipt | None:
        """None: a webhook cannot list messages."""
        return None

    def next_idle(self) -> float:
        """See :class:`notifier.deliver.protocol.Charting`."""
        return self._pace.next_idle(self._clock.monotonic())

    async def upload(self, chart: Chart) -> tuple[Outcome, Chart]:
        """Nothing to do: a webhook's picture travels with the edit that shows it."""
        return Outcome(OutcomeKind.DELIVERED), chart

    async def attach(self, receipt: Receipt, message: Rendered, chart: Chart) -> Outcome:
        """Show the chart inside the message, in place of the one it shows now."""
        body = payload(message.payload)
        said = chart.alt[:_MAX_ALT]
        body["attachments"] = [{"id": 0, "filename": CHART, "description": said}]
        _show_chart(body)
        path = f"/messages/{receipt.message}"
        return await self._send(Operation.ATTACH, "PATCH", path, body, chart.png)

    async def discard(self, _file: str) -> None:
        """None: an attachment goes with the edit that replaces it."""

    async def close(self) -> None:
        """Nothing to let go of: the session belongs to whoever opened it."""

    async def _send(
        self,
        operation: Operation,
        verb: str,
        path: str,
        body: Mapping[str, Any] | None,
        png: bytes = b"",
    ) -> Outcome:
        """Spend, send, classify, learn."""
        try:
            url = self._secret.read()
        except SettingsError as error:
            return Outcome(OutcomeKind.DESTINATION_DEAD, detail=str(error))
        hook = _ADDRESS.fullmatch(url)
        if hook is None:
            detail = f"{self._secret.name} holds no Discord webhook address; copy it from Discord"
            return Outcome(OutcomeKind.DESTINATION_DEAD, detail=detail)
        self._pace.spent(self._clock.monotonic(), operation)
        address = f"{hook[1]}/api/v10/webhooks/{hook[2]}/{hook[3]}{path}"
        try:
            got = await self._request(verb, address, body, png)
        except FAILURES as error:
            outcome = failed_exchange(error, repeatable=verb != "POST")
            return scrubbed(outcome, (url, hook[3]))
        outcome = classify.discord(got, self._clock.now(), hook[2])
        self._learn(operation, outcome, got)
        return scrubbed(outcome, (url, hook[3]))

    async def _request(
        self, verb: str, address: str, body: Mapping[str, Any] | None, png: bytes
    ) -> Answer:
        query = {"wait": "true"} | ({"thread_id": self._thread} if self._thread else {})
        headers = {"User-Agent": self._agent}
        data: bytes | aiohttp.FormData | None = None
        if png:
            data = aiohttp.FormData()
            words = orjson.dumps(body).decode()
            data.add_field("payload_json", words, content_type="application/json")
            data.add_field("files[0]", png, filename=CHART, content_type="image/png")
        elif body is not None:
            data = orjson.dumps(body)
            headers["Content-Type"] = "application/json"
        async with self._session.request(
            verb, address, params=query, headers=headers, data=data, allow_redirects=False
        ) as response:
            return await read_answer(response)

    def _learn(self, operation: Operation, outcome: Outcome, got: Answer) -> None:
        self._pace.learned(self._clock.monotonic(), operation, outcome, got)
        if isinstance(got.body, Mapping) and outcome.kind is OutcomeKind.DELIVERED:
            self._pace.found_channel(str(got.body.get("channel_id", "")))


def payload(rendered: Mapping[str, Any]) -> dict[str, Any]:
    """The body as the library builds it, with the keys that Discord knows and nothing else.

    Every part that an edit may have to clear is always there, and nobody is mentioned unless
    the rendered message says who: on an edit, too, Discord would otherwise mention by default.
    """
    embeds = [DiscordEmbed(**embed) for embed in copy.deepcopy(rendered.get("embeds") or [])]
    hook = DiscordWebhook(
        url="",
        content=rendered.get("content") or None,
        embeds=embeds,
        flags=rendered.get("flags"),
        username=rendered.get("username") or False,
        avatar_url=rendered.get("avatar_url"),
    )
    built = hook.json
    body = {key: built[key] for key in _KEYS if built.get(key) is not None}
    body["embeds"] = [_without_nothing(embed) for embed in body.get("embeds", [])]
    body["content"] = body.get("content", "")
    body["allowed_mentions"] = dict(rendered.get("allowed_mentions") or _NO_MENTIONS)
    return body


def _without_nothing(embed: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in embed.items() if value is not None and value != []}


def _show_chart(body: dict[str, Any]) -> None:
    embeds = body["embeds"] or [{}]
    embeds[0]["image"] = {"url": f"attachment://{CHART}"}
    body["embeds"] = embeds
