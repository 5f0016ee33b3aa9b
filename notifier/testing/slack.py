"""A Slack that keeps its rules: Web API, incoming webhooks and file uploads over HTTP."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from notifier.clock import Clock
from notifier.deliver.protocol import Operation
from notifier.render.message import Chat
from notifier.testing.limits import Bucket, SlidingWindow
from notifier.testing.record import FakeMessage, Version
from notifier.testing.server import FakeServer
from notifier.testing.slack_files import FileShelf
from notifier.testing.slack_rules import Refusal, check_message, possible_pings, sure_pings
from notifier.testing.slack_socket import SlackSocket
from notifier.testing.slack_wire import (
    failed,
    fine,
    json_body,
    read_arguments,
    refused,
    too_many,
    whole,
)

CHANNEL = "C0000000001"
TOKEN = "xoxb-1000000000-fake-token"  # noqa: S105 - a fake's
_HOOK_SECRET = "hooksecrethooksecret0001"  # noqa: S105 - a fake's
_BOT = "B0000000001"
_OPERATIONS = {
    "chat.postMessage": Operation.POST,
    "chat.update": Operation.EDIT,
    "chat.delete": Operation.DELETE,
    "conversations.history": Operation.FIND,
    "conversations.replies": Operation.FIND,
    "files.getUploadURLExternal": Operation.ATTACH,
    "files.completeUploadExternal": Operation.ATTACH,
    "files.delete": Operation.DELETE,
}
_SCOPES = {
    "chat.postMessage": "chat:write",
    "chat.update": "chat:write",
    "chat.delete": "chat:write",
    "conversations.history": "channels:history",
    "conversations.replies": "channels:history",
    "files.getUploadURLExternal": "files:write",
    "files.completeUploadExternal": "files:write",
    "files.delete": "files:write",
}
# requests per minute of each method in one workspace; "several hundred" for posting
_PER_MINUTE = {
    "chat.postMessage": 300,
    "chat.update": 50,
    "chat.delete": 50,
    "conversations.history": 50,
    "conversations.replies": 50,
    "files.getUploadURLExternal": 100,
    "files.completeUploadExternal": 100,
    "files.delete": 50,
}


@dataclass(slots=True)
class FakeChannel:
    """A channel of the workspace.

    Attributes:
        member: whether the bot is in it; posting needs it, unless the app may write everywhere.
        archived: nothing can be posted any more.
    """

    id: str
    name: str
    member: bool = True
    archived: bool = False
    bucket: Bucket = field(default_factory=lambda: Bucket(burst=3, per_second=1.0))


class FakeSlack(FakeServer):
    """One workspace with one bot and one incoming webhook per channel.

    Enforced: authorization and scopes, membership, every size limit, one message per second
    and channel with bursts of three, the per-minute tiers, editing only by the bot that wrote.

    Args:
        clock: the time by which limits are enforced.
        token: the bot token that is accepted.
        channels: ids of the channels that exist.
        enforce_limits: whether rates are limited.
        edit_window_seconds: how long a message can be edited; None for ever.
        file_processing_seconds: how long an upload cannot be shown yet.

    Example:
        >>> async with FakeSlack() as slack:
        ...     await post_something(slack.api_url, slack.token, CHANNEL)
        ...     assert "Φ" in slack.messages[CHANNEL][0].text

    Attributes:
        messages: every message by channel id, in order of posting, with its whole history.
        revoked: the token has been revoked.
        hooks_disabled: the incoming webhooks were removed (404 no_service).
        scopes: what the token may do.
        socket: where buttons are pressed.
    """

    chat = Chat.SLACK

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        token: str = TOKEN,
        channels: tuple[str, ...] = (CHANNEL,),
        enforce_limits: bool = True,
        edit_window_seconds: float | None = None,
        file_processing_seconds: float = 0.0,
    ) -> None:
        super().__init__(clock, enforce_limits=enforce_limits)
        self.token = token
        self.revoked = False
        self.hooks_disabled = False
        self.scopes = {"chat:write", "channels:history", "files:write"}
        self.channels = {each: FakeChannel(each, each.lower()) for each in channels}
        self.messages = {each: [] for each in channels}
        self.calls: list[tuple[str, Mapping[str, Any]]] = []
        self.files = FileShelf(self.clock, file_processing_seconds)
        self.socket = SlackSocket(lambda: self.base_url)
        self._edit_window = edit_window_seconds
        self._tiers = {name: SlidingWindow(most, 60.0) for name, most in _PER_MINUTE.items()}
        self._sequence = itertools.count(1)
        self._methods: dict[str, Callable[[dict[str, Any]], web.Response]] = {
            "auth.test": self._auth_test,
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "chat.delete": self._delete,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
            "files.getUploadURLExternal": self._upload_url,
            "files.completeUploadExternal": self._complete_upload,
            "files.delete": self._delete_file,
        }

    @property
    def api_url(self) -> str:
        """What to set as ``api_url`` of a channel."""
        return f"{self.base_url}/api/"

    def webhook_url(self, channel: str = CHANNEL) -> str:
        """The incoming webhook of a channel."""
        return f"{self.base_url}/services/T0000000001/{channel}/{_HOOK_SECRET}"

    def add_channel(self, channel: FakeChannel) -> None:
        """Let one more channel exist."""
        self.channels[channel.id] = channel
        self.messages[channel.id] = []

    def shown(self, channel: str = CHANNEL) -> list[FakeMessage]:
        """The messages at top level that nobody deleted."""
        return [m for m in self.messages[channel] if not m.deleted and not m.thread]

    def replies(self, message: FakeMessage) -> list[FakeMessage]:
        """What stands in the thread below a message."""
        return [m for m in self.messages[message.channel] if m.thread == message.id]

    def possible_pings(self) -> frozenset[str]:
        """Everybody whom anything said so far might have notified, at worst."""
        every = (m for messages in self.messages.values() for m in messages)
        return frozenset().union(*(possible_pings(v.payload) for m in every for v in m.history))

    def _routes(self, app: web.Application) -> None:
        self.socket.install(app)
        app.router.add_route("*", "/api/{method}", self._api)
        app.router.add_post("/services/{team}/{channel}/{secret}", self._hook)
        app.router.add_post("/upload/v1/{file}", self._upload)

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        arguments = await read_arguments(request)
        self.calls.append((method, arguments))

        async def process() -> web.Response:
            return self._call(request, method, arguments)

        return await self._exchange(request, _OPERATIONS.get(method, Operation.FIND), process)

    def _call(self, request: web.Request, method: str, arguments: dict[str, Any]) -> web.Response:
        if method not in self._methods:
            return failed("unknown_method")
        denied = self._unauthorized(request, method)
        if denied:
            return denied
        wait = self._tiers[method].take(self.clock.monotonic()) if method in self._tiers else 0.0
        if wait and self.enforce_limits:
            return too_many(wait)
        return self._methods[method](arguments)

    def _unauthorized(self, request: web.Request, method: str) -> web.Response | None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not given:
            return failed("not_authed")
        if given != self.token:
            return failed("invalid_auth")
        if self.revoked:
            return failed("token_revoked")
        needed = _SCOPES.get(method)
        if needed and needed not in self.scopes:
            return failed("missing_scope", needed=needed, provided=",".join(sorted(self.scopes)))
        return None

    def _auth_test(self, _arguments: dict[str, Any]) -> web.Response:
        return fine(team="Fake", user="notifier", team_id="T0000000001", bot_id=_BOT)

    def _channel(self, arguments: Mapping[str, Any]) -> FakeChannel | web.Response:
        wanted = str(arguments.get("channel", "")).lstrip("#")
        for channel in self.channels.values():
            if wanted in {channel.id, channel.name}:
                if channel.archived:
                    return failed("is_archived")
                may = channel.member or "chat:write.public" in self.scopes
                return channel if may else failed("not_in_channel")
        return failed("channel_not_found")

    def _post(self, arguments: dict[str, Any]) -> web.Response:
        channel = self._channel(arguments)
        if isinstance(channel, web.Response):
            return channel
        wait = channel.bucket.take(self.clock.monotonic())
        if wait and self.enforce_limits:
            return too_many(wait)
        refusal = self._refusal(arguments, update=False)
        if refusal:
            return refused(refusal)
        message = self._record(channel.id, arguments, _BOT)
        return fine(channel=channel.id, ts=message.id, message=dict(message.payload))

    def _update(self, arguments: dict[str, Any]) -> web.Response:
        message = self._find_own(arguments, "cant_update_message")
        if isinstance(message, web.Response):
            return message
        age = self.clock.monotonic() - message.history[0].at
        if self._edit_window is not None and age > self._edit_window:
            return failed("edit_window_closed")
        refusal = self._refusal(arguments, update=True)
        if refusal:
            return refused(refusal)
        payload = {"metadata": message.payload.get("metadata"), **arguments}
        self._append(message, payload, frozenset())
        return fine(channel=message.channel, ts=message.id, text=arguments.get("text", ""))

    def _delete(self, arguments: dict[str, Any]) -> web.Response:
        message = self._find_own(arguments, "cant_delete_message")
        if isinstance(message, web.Response):
            return message
        message.deleted = True
        return fine(channel=message.channel, ts=message.id)

    def _find_own(self, arguments: Mapping[str, Any], error: str) -> FakeMessage | web.Response:
        channel = str(arguments.get("channel", ""))
        if channel not in self.channels:
            return failed("channel_not_found")  # chat.update takes an id, never a name
        for message in self.messages[channel]:
            if message.id == arguments.get("ts") and not message.deleted:
                return message if message.author == _BOT else failed(error)
        return failed("message_not_found")

    def _history(self, arguments: dict[str, Any]) -> web.Response:
        channel = self._channel(arguments)
        if isinstance(channel, web.Response):
            return channel
        if not channel.member:
            return failed("not_in_channel")
        found = [m for m in self.messages[channel.id] if not m.thread or _broadcast(m)]
        return self._listed(found[::-1], arguments)

    def _replies(self, arguments: dict[str, Any]) -> web.Response:
        channel = self._channel(arguments)
        if isinstance(channel, web.Response):
            return channel
        root = arguments.get("ts")
        found = [m for m in self.messages[channel.id] if root in {m.id, m.thread}]
        return self._listed(found, arguments) if found else failed("thread_not_found")

    def _listed(self, found: list[FakeMessage], arguments: Mapping[str, Any]) -> web.Response:
        oldest = float(arguments.get("oldest") or 0)
        limit = min(int(arguments.get("limit") or 100), 999)
        start = int(arguments.get("cursor") or 0)
        found = [m for m in found if not m.deleted and float(m.id) > oldest]
        page = found[start : start + limit]
        more = start + limit < len(found)
        with_metadata = str(arguments.get("include_all_metadata", "")).lower() in {"1", "true"}
        return fine(
            messages=[_as_listed(m, with_metadata=with_metadata) for m in page],
            has_more=more,
            response_metadata={"next_cursor": str(start + limit) if more else ""},
        )

    def _upload_url(self, arguments: dict[str, Any]) -> web.Response:
        length = str(arguments.get("length", ""))
        if not arguments.get("filename") or not length.isdecimal():
            return failed("invalid_arguments")
        name = self.files.expect(str(arguments["filename"]), int(length))
        return fine(upload_url=f"{self.base_url}/upload/v1/{name}", file_id=name)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        content = await request.read()

        async def process() -> web.Response:
            problem = self.files.receive(request.match_info["file"], content)
            return web.Response(status=400 if problem else 200, text=problem or "OK")

        return await self._exchange(request, Operation.ATTACH, process)

    def _complete_upload(self, arguments: dict[str, Any]) -> web.Response:
        wanted = [str(each.get("id")) for each in arguments.get("files") or []]
        if not wanted or any(not self.files.complete(each) for each in wanted):
            return failed("file_not_found")
        if arguments.get("channel_id"):
            channel = self._channel({"channel": arguments["channel_id"]})
            if isinstance(channel, web.Response):
                return channel
            if not channel.member:
                return failed("not_in_channel")
            shared = {"text": arguments.get("initial_comment", ""), "files": wanted}
            self._record(channel.id, {**arguments, **shared}, _BOT)
        return fine(files=[{"id": each, "title": self.files.name(each)} for each in wanted])

    def _delete_file(self, arguments: dict[str, Any]) -> web.Response:
        problem = self.files.delete(str(arguments.get("file", "")))
        return failed(problem) if problem else fine()

    async def _hook(self, request: web.Request) -> web.StreamResponse:
        body = await json_body(request)

        async def process() -> web.Response:
            return self._hook_answer(request.match_info, body)

        return await self._exchange(request, Operation.POST, process)

    def _hook_answer(self, address: Mapping[str, str], body: dict[str, Any] | None) -> web.Response:
        """Incoming webhooks answer in plain text, and never say which message they made."""
        channel = self.channels.get(address["channel"])
        if address["secret"] != _HOOK_SECRET:
            return web.Response(status=403, text="invalid_token")
        if channel is None or self.hooks_disabled:
            return web.Response(status=404, text="no_service")
        if channel.archived:
            return web.Response(status=410, text="channel_is_archived")
        wait = channel.bucket.take(self.clock.monotonic())
        if wait and self.enforce_limits:
            headers = {"Retry-After": whole(wait)}
            return web.Response(status=429, text="rate_limited", headers=headers)
        return self._hook_post(channel.id, body)

    def _hook_post(self, channel: str, body: dict[str, Any] | None) -> web.Response:
        if body is None:
            return web.Response(status=400, text="invalid_payload")
        refusal = self._refusal(body, update=False)
        if refusal:
            return web.Response(status=400, text=refusal.error)
        self._record(channel, body, "webhook")
        return web.Response(text="ok")

    def _refusal(self, body: Mapping[str, Any], *, update: bool) -> Refusal | None:
        refusal = check_message(body, update=update)
        if refusal or self.files.all_ready(body.get("blocks") or []):
            return refusal
        return Refusal("invalid_blocks", ("[ERROR] invalid slack file",))

    def _record(self, channel: str, payload: Mapping[str, Any], author: str) -> FakeMessage:
        stamp = f"{int(self.clock.now().timestamp())}.{next(self._sequence):06d}"
        message = FakeMessage(channel, stamp, str(payload.get("thread_ts") or ""), author)
        self._append(message, payload, sure_pings(payload))
        self.messages[channel].append(message)
        return message

    def _append(
        self, message: FakeMessage, payload: Mapping[str, Any], pings: frozenset[str]
    ) -> None:
        files = tuple(self.files.shown(payload.get("blocks") or []))
        message.history.append(Version(self.clock.monotonic(), dict(payload), pings, files))


def _broadcast(message: FakeMessage) -> bool:
    return bool(message.payload.get("reply_broadcast"))


def _as_listed(message: FakeMessage, *, with_metadata: bool) -> dict[str, Any]:
    shown = {"type": "message", "ts": message.id, "bot_id": message.author}
    shown["text"] = str(message.payload.get("text", ""))
    if message.thread:
        shown["thread_ts"] = message.thread
    if with_metadata and message.payload.get("metadata"):
        return {**shown, "metadata": message.payload["metadata"]}
    return shown
