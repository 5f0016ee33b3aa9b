"""The routes of the exporter: live page, JSON, events, metrics, health."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from wiltonos_otel.phi import Snapshot
from wiltonos_otel.policy import Policy
from wiltonos_otel.web.events import EventStream
from wiltonos_otel.web.history import History
from wiltonos_otel.web.view import view_all, view_event, view_policy

log = structlog.get_logger(__name__)

STATIC = Path(__file__).parent / "static"
HISTORY_MS = 600_000
TICK_SECONDS = 1.0

View = dict[str, Any]


class LivePage:
    """The live page and what feeds it, one tick a second.

    Args:
        snapshot: what is known now.
        view: a snapshot as ``view.view_now`` shows it.
        policy: the policy in force.
        stale_after_seconds: age at which a sample stops counting.
    """

    def __init__(
        self,
        snapshot: Callable[[], Snapshot],
        view: Callable[[Snapshot], View],
        policy: Policy,
        stale_after_seconds: float,
    ) -> None:
        self._snapshot = snapshot
        self._view = view
        self._policy = view_policy(policy, stale_after_seconds)
        self._history = History(HISTORY_MS, policy.fresh_seconds * 1000)
        self._events = EventStream()

    def install(self, app: web.Application) -> None:
        """Add the routes, and the ticks for as long as the application runs."""
        app.router.add_get("/", _index)
        app.router.add_static("/static", STATIC)
        app.router.add_get("/api/v1/phi", self._show)
        app.router.add_get("/api/v1/events", self._events.handle)
        app.cleanup_ctx.append(self._ticking)
        app.on_shutdown.append(self._end_streams)
        app.on_response_prepare.append(_revalidate)

    async def tick(self) -> None:
        """Take the moment into the history and send it to every reader."""
        snapshot, view = await asyncio.to_thread(self._take)
        event = view_event(view, self._history.add(snapshot))
        self._events.publish(_to_json(event))

    def _take(self) -> tuple[Snapshot, View]:
        """Ten thousand loops take tens of milliseconds: not in the event loop."""
        snapshot = self._snapshot()
        return snapshot, self._view(snapshot)

    async def _show(self, _request: web.Request) -> web.Response:
        _, view = await asyncio.to_thread(self._take)
        shown = view_all(view, self._policy, self._history.points())
        return web.json_response(shown, dumps=_to_json, headers={"Cache-Control": "no-store"})

    async def _ticking(self, _app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(self._tick_for_ever())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _tick_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        failing = ""
        while True:
            try:
                await self.tick()
                failing = ""
            except Exception as error:  # a page that stands still would look like coherence
                if failing != repr(error):
                    log.exception("the live page cannot be updated")
                failing = repr(error)
            # after a suspended machine: one tick, not one per second missed
            due = max(due + TICK_SECONDS, loop.time())
            await asyncio.sleep(due - loop.time())

    async def _end_streams(self, _app: web.Application) -> None:
        self._events.close()


def add_health(app: web.Application, degraded: Callable[[], list[str]]) -> None:
    """Add ``/-/healthy`` and ``/-/ready``; what is degraded does not make it unready."""

    async def healthy(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def ready(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ready", "degraded": degraded()})

    app.router.add_get("/-/healthy", healthy)
    app.router.add_get("/-/ready", ready)


def add_metrics(app: web.Application, handler: Handler) -> None:
    """Add ``/metrics``."""
    app.router.add_get("/metrics", handler)


async def _index(_request: web.Request) -> web.FileResponse:
    return web.FileResponse(STATIC / "index.html")


async def _revalidate(_request: web.Request, response: web.StreamResponse) -> None:
    """An upgrade of the program shows at the next visit."""
    if isinstance(response, web.FileResponse):
        response.headers.setdefault("Cache-Control", "no-cache")


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
