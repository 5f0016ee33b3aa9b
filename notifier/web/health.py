"""Whether the process is up, and whether it can do its work: commit webhooks."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from notifier.clock import Clock
from notifier.errors import StoreError
from notifier.store.base import Store
from notifier.web.documents import answer, instant

READY_SECONDS = 3.0
READY_AT = "ready_at"


@dataclass
class Health:
    """``/-/healthy`` and ``/-/ready``.

    Attributes:
        degraded: what does not work, one line each; it does not make the service unready.
    """

    store: Store
    clock: Clock
    degraded: Callable[[], list[str]]

    def install(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/-/healthy", self.healthy)
        app.router.add_get("/-/ready", self.ready)

    async def healthy(self, _request: web.Request) -> web.Response:
        """The process is up."""
        return answer({"status": "ok"})

    async def ready(self, _request: web.Request) -> web.Response:
        """Whether a commit goes through, tried for real."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                await self.store.write_meta(READY_AT, str(instant(self.clock.now())))
        except StoreError as error:
            return answer({"status": "not ready", "error": str(error)}, 503)
        except TimeoutError:
            return answer({"status": "not ready", "error": "the database does not commit"}, 503)
        return answer({"status": "ready", "degraded": self.degraded()})
