"""A Discord that keeps its rules: incoming webhooks over HTTP, with rates and attachments."""

import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import BodyPartReader, web

from notifier.clock import Clock
from notifier.deliver.protocol import Operation
from notifier.render.message import Chat
from notifier.testing.discord_rules import form_errors, is_empty, pings
from notifier.testing.limits import FixedWindow, SlidingWindow
from notifier.testing.record import FakeMessage, Version
from notifier.testing.server import FakeServer

CHANNEL = "100000000000000001"
_TOKEN = "hooktoken-hooktoken-hooktoken-01"  # noqa: S105 - a fake's
_USER_AGENT = re.compile(r"DiscordBot \(https?://\S+, [^)]+\)")
_MAX_FILE = 10 * 1024 * 1024
_OPERATIONS = {"POST": Operation.POST, "PATCH": Operation.EDIT, "DELETE": Operation.DELETE}
_INVALID = {401, 403, 429}


@dataclass(slots=True)
class FakeHook:
    """An incoming webhook, with the bucket that its headers show (5 per 2 s)."""

    id: str
    channel: str
    deleted: bool = False
    bucket: FixedWindow = field(default_factory=lambda: FixedWindow(5, 2.0))


@dataclass(frozen=True, slots=True)
class _Request:
    """One request, read."""

    hook: str
    token: str
    message: str
    verb: str
    query: Mapping[str, str]
    user_agent: str
    body: dict[str, Any] | None
    files: tuple[tuple[str, int], ...]


class FakeDiscord(FakeServer):
    """Channels with one webhook each; more can be added.

    Enforced: every size limit, 5 requests per 2 s and webhook (shown in the headers),
    30 per minute and channel (shown nowhere), the User-Agent, a ban of the address after too
    many invalid requests, attachments kept only when an edit lists them.

    Args:
        clock: the time by which limits are enforced.
        channels: ids of the channels that exist.
        enforce_limits: whether rates are limited.
        invalid_limit: how many answers 401, 403 and 429 within 10 minutes lead to the ban.

    Attributes:
        messages: every message by channel id (or thread id), in order, with its whole history.
        threads: thread ids that exist, each with whether it is archived.
        unversioned: how many requests used the deprecated address without a version.
    """

    chat = Chat.DISCORD

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        channels: tuple[str, ...] = (CHANNEL,),
        enforce_limits: bool = True,
        invalid_limit: int = 10_000,
    ) -> None:
        super().__init__(clock, enforce_limits=enforce_limits)
        self.messages = {each: [] for each in channels}
        self.hooks: dict[str, FakeHook] = {}
        self.threads: dict[str, bool] = {}
        self.unversioned = 0
        self.invalid_limit = invalid_limit
        self._ids = itertools.count(200000000000000001)
        self._hidden = {each: SlidingWindow(30, 60.0) for each in channels}
        self._invalid = SlidingWindow(invalid_limit, 600.0)
        self._banned = False
        for channel in channels:
            self.add_webhook(channel)

    def add_webhook(self, channel: str = CHANNEL) -> FakeHook:
        """Make one more webhook for a channel; it shares the channel's hidden limit."""
        hook = FakeHook(str(next(self._ids)), channel)
        self.hooks[hook.id] = hook
        return hook

    def add_thread(self, *, archived: bool = False) -> str:
        """Make a thread; returns its id."""
        thread = str(next(self._ids))
        self.threads[thread] = archived
        self.messages[thread] = []
        return thread

    def hook(self, channel: str = CHANNEL) -> FakeHook:
        """The first webhook of a channel."""
        return next(hook for hook in self.hooks.values() if hook.channel == channel)

    def webhook_url(self, channel: str = CHANNEL) -> str:
        """The address as Discord's own pages show it: without a version."""
        return f"{self.base_url}/api/webhooks/{self.hook(channel).id}/{_TOKEN}"

    def shown(self, channel: str = CHANNEL) -> list[FakeMessage]:
        """The messages that nobody deleted."""
        return [message for message in self.messages[channel] if not message.deleted]

    def _routes(self, app: web.Application) -> None:
        for version in ("", "/v10"):
            path = f"/api{version}/webhooks/{{hook}}/{{token}}"
            app.router.add_route("*", path, self._webhook)
            app.router.add_route("*", path + "/messages/{message}", self._webhook)

    async def _webhook(self, request: web.Request) -> web.StreamResponse:
        self.unversioned += not request.path.startswith("/api/v")
        read = await _read(request)
        operation = _OPERATIONS.get(request.method, Operation.FIND)

        async def process() -> web.Response:
            return self._answer(read)

        response = await self._exchange(request, operation, process)
        if response.status in _INVALID and response.headers.get("X-RateLimit-Scope") != "shared":
            self._banned |= self._invalid.take(self.clock.monotonic()) > 0
        return response

    def _answer(self, read: _Request) -> web.Response:
        if self._banned:
            return web.Response(status=429, text="error code: 1015")
        if not _USER_AGENT.fullmatch(read.user_agent):
            return web.Response(status=403, text="error code: 1010")
        hook = self.hooks.get(read.hook)
        if hook is None or hook.deleted:
            return _error(404, 10015, "Unknown Webhook")
        if read.token != _TOKEN:
            return _error(401, 50027, "Invalid Webhook Token")
        limited = self._limited(hook)
        if limited is not None:
            return limited
        response = self._process(hook, read)
        response.headers.update(self._headers(hook))
        return response

    def _limited(self, hook: FakeHook) -> web.Response | None:
        if not self.enforce_limits:
            return None
        now = self.clock.monotonic()
        wait, scope = hook.bucket.take(now), "user"
        if not wait:
            wait, scope = self._hidden[hook.channel].take(now), "shared"
        if not wait:
            return None
        body = {"message": "You are being rate limited.", "retry_after": wait, "global": False}
        headers = {**self._headers(hook), "X-RateLimit-Scope": scope, "Via": "1.1 google"}
        headers["Retry-After"] = str(-int(-wait // 1))
        return web.json_response(body, status=429, headers=headers)

    def _headers(self, hook: FakeHook) -> dict[str, str]:
        left = max(hook.bucket.opened_at + hook.bucket.seconds - self.clock.monotonic(), 0.0)
        return {
            "X-RateLimit-Limit": str(hook.bucket.limit),
            "X-RateLimit-Remaining": str(hook.bucket.remaining),
            "X-RateLimit-Reset": f"{self.clock.now().timestamp() + left:.3f}",
            "X-RateLimit-Reset-After": f"{left:.3f}",
            "X-RateLimit-Bucket": f"bucket{hook.id}",
        }

    def _process(self, hook: FakeHook, read: _Request) -> web.Response:
        place = read.query.get("thread_id") or hook.channel
        if place not in self.messages:
            return _error(404, 10003, "Unknown Channel")
        if read.verb == "POST" and not read.message:
            return self._execute(hook, place, read)
        message = self._find(place, read.message, hook)
        if message is None:
            return _error(404, 10008, "Unknown Message")
        if read.verb == "DELETE":
            message.deleted = True
            return web.Response(status=204)
        if read.verb == "PATCH":
            return self._edit(message, read)
        return web.json_response(_shown(message))

    def _find(self, place: str, wanted: str, hook: FakeHook) -> FakeMessage | None:
        for message in self.messages[place]:
            if message.id == wanted and message.author == hook.id and not message.deleted:
                return message
        return None

    def _execute(self, hook: FakeHook, place: str, read: _Request) -> web.Response:
        refused = self._refused(read, read.body or {})
        if refused is not None:
            return refused
        self.threads.update({place: False} if place in self.threads else {})
        body = read.body or {}
        message = FakeMessage(place, str(next(self._ids)), "", hook.id)
        self._append(message, body, self._attached((), read), pings(body))
        self.messages[place].append(message)
        if read.query.get("wait", "false").lower() != "true":
            return web.Response(status=204)
        return web.json_response(_shown(message))

    def _edit(self, message: FakeMessage, read: _Request) -> web.Response:
        if self.threads.get(message.channel):
            return _error(400, 50083, "Thread is archived")
        body = read.body or {}
        merged = {**message.payload, **{k: v for k, v in body.items() if k != "attachments"}}
        refused = self._refused(read, merged)
        if refused is not None:
            return refused
        kept: Any = message.payload.get("attachments") or []
        if "attachments" in body:
            wanted = {str(each.get("id")) for each in body["attachments"]}
            kept = [each for each in kept if each["id"] in wanted]
        elif read.files:
            kept = []
        self._append(message, merged, self._attached(kept, read), frozenset())
        return web.json_response(_shown(message))

    def _refused(self, read: _Request, body: Mapping[str, Any]) -> web.Response | None:
        if read.body is None:
            return _error(400, 50109, "The request body contains invalid JSON.")
        if any(size > _MAX_FILE for _, size in read.files):
            return _error(413, 40005, "Request entity too large")
        errors = form_errors(body)
        if errors:
            return _error(400, 50035, "Invalid Form Body", errors=errors)
        if is_empty(body, files=len(read.files)):
            return _error(400, 50006, "Cannot send an empty message")
        return None

    def _attached(self, kept: Any, read: _Request) -> list[dict[str, str]]:
        new = [{"id": str(next(self._ids)), "filename": name} for name, _ in read.files]
        return [*kept, *new]

    def _append(
        self,
        message: FakeMessage,
        body: Mapping[str, Any],
        attachments: list[dict[str, str]],
        notified: frozenset[str],
    ) -> None:
        payload = {**body, "attachments": attachments}
        names = tuple(each["filename"] for each in attachments)
        message.history.append(Version(self.clock.monotonic(), payload, notified, names))


def _shown(message: FakeMessage) -> dict[str, Any]:
    payload = message.payload
    return {
        "id": message.id,
        "channel_id": message.channel,
        "content": payload.get("content") or "",
        "embeds": payload.get("embeds") or [],
        "attachments": payload["attachments"],
    }


def _error(status: int, code: int, message: str, **fields: Any) -> web.Response:
    return web.json_response({"message": message, "code": code, **fields}, status=status)


async def _read(request: web.Request) -> _Request:
    body: dict[str, Any] | None = None
    files: list[tuple[str, int]] = []
    if request.content_type == "multipart/form-data":
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                continue
            content = await part.read()
            if part.name == "payload_json":
                body = _parse(content)
            elif part.filename:
                files.append((part.filename, len(content)))
    else:
        body = _parse(await request.read() or b"{}")
    return _Request(
        hook=request.match_info["hook"],
        token=request.match_info["token"],
        message=request.match_info.get("message", ""),
        verb=request.method,
        query=request.query,
        user_agent=request.headers.get("User-Agent", ""),
        body=body,
        files=tuple(files),
    )


def _parse(content: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
