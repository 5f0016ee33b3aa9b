"""A real HTTP server on a free port of loopback: what both fakes are built on."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import ClassVar, Self

from aiohttp import web

from notifier.clock import Clock, SystemClock
from notifier.deliver.protocol import Operation
from notifier.render.message import Chat
from notifier.render.preview import preview_page
from notifier.testing.faults import Fault, FaultKind, Faults
from notifier.testing.record import FakeMessage

_MAX_BODY = 32 * 1024 * 1024
_SHOWN = 100
_RELOAD_SECONDS = 3


class FakeServer:
    """Serves while its ``async with`` block lasts; ``/`` shows a person what it holds.

    Attributes:
        chat: which of the chats it is.
        messages: every message by the id of its place, in order, with its whole history.
        faults: what goes wrong next.
        answers: how many answers of each HTTP status were given.
        clock: the time by which limits are enforced.
        enforce_limits: whether rates are limited at all; sizes always are.
    """

    chat: ClassVar[Chat]

    def __init__(self, clock: Clock | None = None, *, enforce_limits: bool = True) -> None:
        self.messages: dict[str, list[FakeMessage]] = {}
        self.clock: Clock = clock or SystemClock()
        self.enforce_limits = enforce_limits
        self.faults = Faults()
        self.answers: Counter[int] = Counter()
        self._closing = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._base = ""

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:<port>``, while it runs."""
        return self._base

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 takes a free one."""
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_get("/", self._page)
        self._routes(app)
        self._closing.clear()
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        bound = self._runner.addresses[0][1]
        self._base = f"http://{host}:{bound}"

    async def close(self) -> None:
        """Stop listening and let hanging requests go."""
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def _routes(self, app: web.Application) -> None:
        raise NotImplementedError

    async def _page(self, _request: web.Request) -> web.Response:
        kept = [each for place in self.messages.values() for each in place if not each.deleted]
        newest = sorted(kept, key=lambda each: each.history[0].at, reverse=True)[:_SHOWN]
        page = preview_page(
            {_titled(each): (self.chat, each.payload) for each in newest},
            note=f"{self.chat.title()}, as this fake holds it: {_counted(len(kept))}",
            reload_seconds=_RELOAD_SECONDS,
        )
        return web.Response(text=page, content_type="text/html")

    async def _exchange(
        self,
        request: web.Request,
        operation: Operation,
        process: Callable[[], Awaitable[web.Response]],
    ) -> web.StreamResponse:
        """Answer properly, or as the next fault says."""
        fault = self.faults.take(operation)
        if fault is None or fault.kind is FaultKind.NONE:
            response: web.StreamResponse = await process()
        else:
            response = await self._faulty(request, fault, process)
        self.answers[response.status] += 1
        return response

    async def _faulty(
        self,
        request: web.Request,
        fault: Fault,
        process: Callable[[], Awaitable[web.Response]],
    ) -> web.StreamResponse:
        if fault.kind in {FaultKind.CUT_AFTER, FaultKind.HANG_AFTER, FaultKind.ANSWER_AFTER}:
            await process()
        if fault.kind in {FaultKind.HANG_BEFORE, FaultKind.HANG_AFTER}:
            await self._closing.wait()
        if fault.kind in {FaultKind.ANSWER, FaultKind.ANSWER_AFTER}:
            return scripted(fault)
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=499)


def _titled(message: FakeMessage) -> str:
    place = f"{message.channel}, reply to {message.thread}" if message.thread else message.channel
    edits = {0: "as posted", 1: "edited once"}.get(message.edits, f"edited {message.edits} times")
    return f"{place}: {message.id}, {edits}"


def _counted(messages: int) -> str:
    if messages == 0:
        return "nothing yet. What arrives appears here by itself."
    newest = f", the newest {_SHOWN} below" if messages > _SHOWN else ", the newest first"
    return f"{messages} message{'' if messages == 1 else 's'}{newest}."


def scripted(fault: Fault) -> web.Response:
    """The answer that a fault prescribes."""
    headers = dict(fault.headers)
    kind = "application/json" if fault.body.startswith("{") else "text/plain"
    headers.setdefault("Content-Type", kind)
    return web.Response(status=fault.status, body=fault.body.encode(), headers=headers)
