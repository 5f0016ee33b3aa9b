"""Delivers to Slack: by a bot token, or by an incoming webhook, which can only post."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import aiohttp
from slack_sdk.errors import SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from notifier.clock import Clock
from notifier.deliver import classify
from notifier.deliver.classify import Answer, answer
from notifier.deliver.http import FAILURES, HOST, failed_exchange, quiet_logger, scrubbed
from notifier.deliver.outcome import Outcome, OutcomeKind, Receipt
from notifier.deliver.pacing import Pace
from notifier.deliver.protocol import Chart, Operation, Rendered
from wiltonos_service.errors import SettingsError
from wiltonos_service.secrets import Secret

MARKER_EVENT = "wiltonos_incident"
_PAGE = 200
_PAGES = 3
_FIND_TRIES = 3
# together below the lease of whoever looks
_FIND_WAIT_SECONDS = 10.0
_ADDRESS = re.compile(rf"https?://{HOST}/\S+")
# docs.slack.dev, files.delete: what it says of one that is gone
_NO_FILE = {"file_deleted", "file_not_found"}
_REPEATABLE = {Operation.EDIT, Operation.DELETE, Operation.FIND, Operation.ATTACH}
# of 2,000, which count towards the total of the blocks as well
_MAX_ALT = 300
_MAX_FILE_ALT = 1000


def is_address(url: str) -> bool:
    """Whether the address can be that of an incoming webhook of Slack."""
    return _ADDRESS.fullmatch(url) is not None


class SlackBot:
    """One channel, written by a bot token (scopes chat:write, channels:history, files:write).

    Args:
        secret: the bot token; read again when its file changes.
        channel: id of the channel.
        session: shared with the other deliverers.
        clock: the time.
        pace: the budgets.
        api_url: base of the Web API.
        broadcast: show replies in the channel too.
    """

    can_edit = True
    can_find = True

    def __init__(
        self,
        *,
        secret: Secret,
        channel: str,
        session: aiohttp.ClientSession,
        clock: Clock,
        pace: Pace,
        api_url: str,
        broadcast: bool = False,
    ) -> None:
        self._secret = secret
        self._channel = channel
        self._session = session
        self._clock = clock
        self._pace = pace
        self._broadcast = broadcast
        self._client = AsyncWebClient(
            token="",
            base_url=api_url,
            session=session,
            logger=quiet_logger("notifier.deliver.slack_sdk"),
            retry_handlers=[],
        )
        # the session knows the proxy, and when not to use it
        self._client.proxy = None

    def next_allowed(self, operation: Operation, *, urgent: bool = False) -> float:
        """See :class:`notifier.deliver.protocol.Paced`."""
        return self._pace.next_allowed(self._clock.monotonic(), operation, urgent=urgent)

    def seconds_for(self, operation: Operation, count: int) -> float:
        """See :class:`notifier.deliver.protocol.Paced`."""
        return self._pace.seconds_for(operation, count)

    async def post(self, message: Rendered) -> Outcome:
        """Post a new message."""
        return await self._post(Operation.POST, message, {})

    async def reply(self, receipt: Receipt, message: Rendered) -> Outcome:
        """Post into the thread below the message."""
        thread = {"thread_ts": receipt.message}
        if self._broadcast:
            thread["reply_broadcast"] = "true"
        return await self._post(Operation.REPLY, message, thread)

    async def edit(self, receipt: Receipt, message: Rendered) -> Outcome:
        """Change a message; the chart that it shows stays."""
        outcome = await self._update(receipt, message)
        if outcome.kind is OutcomeKind.PAYLOAD_REFUSED and receipt.attachment:
            # the file may be gone; the words matter more
            return await self._update(Receipt(receipt.destination, receipt.message), message)
        return outcome

    async def delete(self, receipt: Receipt) -> Outcome:
        """Take a message away; one that is gone already counts as delivered."""

        async def call() -> Answer:
            client = self._client
            return _read(await client.chat_delete(channel=receipt.destination, ts=receipt.message))

        outcome, _ = await self._call(Operation.DELETE, call)
        gone = outcome.kind is OutcomeKind.MESSAGE_GONE
        return Outcome(OutcomeKind.DELIVERED, receipt) if gone else outcome

    async def find(self, marker: str, thread: Receipt | None = None) -> Receipt | None:
        """Look for a message with this marker, at top level or in a thread.

        None when it is not there, or when Slack would not tell.
        """
        cursor = ""
        for _ in range(_PAGES):
            page = await self._page(cursor, thread)
            for each in page.get("messages", ()):
                if _marker_of(each) == marker:
                    return Receipt(self._channel, str(each.get("ts", "")))
            cursor = str((page.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                break
        return None

    def next_idle(self) -> float:
        """See :class:`notifier.deliver.protocol.Charting`."""
        return self._pace.next_idle(self._clock.monotonic())

    async def upload(self, chart: Chart) -> tuple[Outcome, Chart]:
        """Upload the chart privately: the file is in no channel until a message shows it."""

        async def ask() -> Answer:
            address, size = self._client.files_getUploadURLExternal, len(chart.png)
            said = chart.alt[:_MAX_FILE_ALT]
            return _read(await address(filename="chart.png", length=size, alt_txt=said))

        outcome, got = await self._call(Operation.ATTACH, ask)
        if outcome.kind is not OutcomeKind.DELIVERED or not isinstance(got.body, Mapping):
            return outcome, chart
        url, file = str(got.body.get("upload_url", "")), str(got.body.get("file_id", ""))

        async def send() -> Answer:
            async with self._session.post(url, data=chart.png) as response:
                fine = response.status == 200
                return Answer(response.status, {}, {"ok": fine, "error": "upload_failed"})

        async def complete() -> Answer:
            finish = self._client.files_completeUploadExternal
            return _read(await finish(files=[{"id": file, "title": "chart"}]))

        outcome, _ = await self._call(Operation.ATTACH, send)
        if outcome.kind is OutcomeKind.DELIVERED:
            outcome, _ = await self._call(Operation.ATTACH, complete)
        return outcome, replace(chart, file=file)

    async def attach(self, receipt: Receipt, message: Rendered, chart: Chart) -> Outcome:
        """Show the uploaded chart below the words of the message.

        Slack refuses a file that it has not processed yet as ``invalid_blocks``.
        """
        shown = Receipt(receipt.destination, receipt.message, chart.file)
        return await self._update(shown, message, chart.alt)

    async def discard(self, file: str) -> Outcome | None:
        """Remove a file of ours; Slack would keep it where nobody sees it."""

        async def call() -> Answer:
            return _read(await self._client.files_delete(file=file))

        outcome, got = await self._call(Operation.DELETE, call)
        error = got.body.get("error") if isinstance(got.body, Mapping) else ""
        return Outcome(OutcomeKind.DELIVERED) if error in _NO_FILE else outcome

    async def close(self) -> None:
        """Nothing to let go of: the session belongs to whoever opened it."""

    async def _post(
        self, operation: Operation, message: Rendered, extra: Mapping[str, str]
    ) -> Outcome:
        body = {**message.payload, **extra, "metadata": _metadata(message)}

        async def call() -> Answer:
            return _read(
                await self._client.chat_postMessage(
                    channel=self._channel, unfurl_links=False, unfurl_media=False, **body
                )
            )

        outcome, _ = await self._call(operation, call)
        if outcome.receipt is not None and operation is Operation.POST:
            # a name was given; Slack answers with the id, which editing and finding need
            self._channel = outcome.receipt.destination or self._channel
        return outcome

    async def _update(self, receipt: Receipt, message: Rendered, alt: str = "") -> Outcome:
        body = {**message.payload, "metadata": _metadata(message)}
        if receipt.attachment:
            body["blocks"] = [*body.get("blocks", ()), _image(receipt.attachment, alt, body)]

        async def call() -> Answer:
            return _read(
                await self._client.chat_update(
                    channel=receipt.destination, ts=receipt.message, **body
                )
            )

        outcome, _ = await self._call(Operation.EDIT, call)
        delivered = outcome.kind is OutcomeKind.DELIVERED
        return Outcome(OutcomeKind.DELIVERED, receipt) if delivered else outcome

    async def _page(self, cursor: str, thread: Receipt | None) -> Mapping[str, Any]:
        async def call() -> Answer:
            wanted: dict[str, Any] = {"limit": _PAGE, "include_all_metadata": True}
            if cursor:
                wanted["cursor"] = cursor
            if thread is not None:
                replies = self._client.conversations_replies
                return _read(await replies(channel=self._channel, ts=thread.message, **wanted))
            return _read(await self._client.conversations_history(channel=self._channel, **wanted))

        for _ in range(_FIND_TRIES):
            budget = self.next_allowed(Operation.FIND) - self._clock.monotonic()
            await self._clock.sleep(min(max(budget, 0.0), _FIND_WAIT_SECONDS))
            outcome, got = await self._call(Operation.FIND, call)
            if outcome.kind is OutcomeKind.DELIVERED and isinstance(got.body, Mapping):
                return got.body
            if outcome.kind not in {OutcomeKind.RATE_LIMITED, OutcomeKind.TRANSIENT}:
                break
            wait = outcome.retry_after_seconds
            await self._clock.sleep(min(1.0 if wait is None else wait, _FIND_WAIT_SECONDS))
        return {}

    async def _call(
        self, operation: Operation, call: Callable[[], Awaitable[Answer]]
    ) -> tuple[Outcome, Answer]:
        """Spend, call, classify, learn; the answer is empty when there was none."""
        nothing = Answer(0, {}, "")
        try:
            token = self._secret.read()
        except SettingsError as error:
            return Outcome(OutcomeKind.DESTINATION_DEAD, detail=str(error)), nothing
        self._client.token = token
        self._pace.spent(self._clock.monotonic(), operation)
        try:
            got = await call()
            outcome = classify.slack_api(got, self._clock.now())
        except SlackClientError as error:
            got = _refused(error)
            outcome = classify.slack_api(got, self._clock.now())
        except AttributeError:
            # slack_sdk reads text/plain with status 200 as if it were a mapping
            got = Answer(200, {}, "text instead of JSON; check api_url")
            outcome = classify.slack_api(got, self._clock.now())
        except FAILURES as error:
            got, outcome = nothing, failed_exchange(error, repeatable=operation in _REPEATABLE)
        self._pace.learned(self._clock.monotonic(), operation, outcome)
        return scrubbed(outcome, (token,)), got


class SlackHook:
    """One channel, written by an incoming webhook; it learns no message id, so it only posts.

    Args:
        secret: the webhook's address; read again when its file changes.
        session: shared with the other deliverers.
        clock: the time.
        pace: the budgets.
    """

    can_edit = False
    can_find = False

    def __init__(
        self, *, secret: Secret, session: aiohttp.ClientSession, clock: Clock, pace: Pace
    ) -> None:
        self._secret = secret
        self._session = session
        self._clock = clock
        self._pace = pace

    def next_allowed(self, operation: Operation, *, urgent: bool = False) -> float:
        """See :class:`notifier.deliver.protocol.Paced`."""
        return self._pace.next_allowed(self._clock.monotonic(), operation, urgent=urgent)

    def seconds_for(self, operation: Operation, count: int) -> float:
        """See :class:`notifier.deliver.protocol.Paced`."""
        return self._pace.seconds_for(operation, count)

    async def post(self, message: Rendered) -> Outcome:
        """Post a new message; its receipt has no message id."""
        try:
            url = self._secret.read()
        except SettingsError as error:
            return Outcome(OutcomeKind.DESTINATION_DEAD, detail=str(error))
        if not is_address(url):
            detail = f"{self._secret.name} holds no webhook address; copy it from Slack"
            return Outcome(OutcomeKind.DESTINATION_DEAD, detail=detail)
        self._pace.spent(self._clock.monotonic(), Operation.POST)
        outcome = await self._exchange(url, message)
        self._pace.learned(self._clock.monotonic(), Operation.POST, outcome)
        return scrubbed(outcome, (url, url.rpartition("/")[2]))

    async def _exchange(self, url: str, message: Rendered) -> Outcome:
        client = AsyncWebhookClient(
            url,
            session=self._session,
            logger=quiet_logger("notifier.deliver.slack_sdk"),
            retry_handlers=[],
        )
        client.proxy = None
        body = {"unfurl_links": False, "unfurl_media": False, **message.payload}
        try:
            got = await client.send_dict(body)
        except FAILURES as error:
            return failed_exchange(error, repeatable=False)
        read = answer(got.status_code, got.headers, got.body)
        return classify.slack_hook(read, self._clock.now(), "")

    async def edit(self, _receipt: Receipt, _message: Rendered) -> Outcome:
        """Nothing that was posted can be reached again: post anew."""
        detail = "an incoming webhook cannot edit"
        return Outcome(OutcomeKind.MESSAGE_GONE, detail=detail)

    async def reply(self, _receipt: Receipt, message: Rendered) -> Outcome:
        """Post beside the message; its thread is unknown."""
        return await self.post(message)

    async def find(self, _marker: str, _thread: Receipt | None = None) -> Receipt | None:
        """None: a webhook cannot read."""
        return None

    async def close(self) -> None:
        """Nothing to let go of: the session belongs to whoever opened it."""


def _metadata(message: Rendered) -> dict[str, Any]:
    return {"event_type": MARKER_EVENT, "event_payload": {"marker": message.marker}}


def _marker_of(message: Mapping[str, Any]) -> str:
    metadata = message.get("metadata") or {}
    if metadata.get("event_type") != MARKER_EVENT:
        return ""
    return str((metadata.get("event_payload") or {}).get("marker", ""))


def _image(file: str, alt: str, body: Mapping[str, Any]) -> dict[str, Any]:
    described = (alt or str(body.get("text") or "") or "chart")[:_MAX_ALT]
    return {"type": "image", "slack_file": {"id": file}, "alt_text": described}


def _read(response: Any) -> Answer:
    return answer(response.status_code, response.headers, response.data)


def _refused(error: SlackClientError) -> Answer:
    """The answer inside an error of slack_sdk, which keeps it in one of two forms."""
    response: Any = getattr(error, "response", None)
    status = int(getattr(response, "status_code", None) or getattr(response, "status", None) or 0)
    headers = getattr(response, "headers", None) or {}
    return answer(status, headers, getattr(response, "data", None) or "an unreadable body")
