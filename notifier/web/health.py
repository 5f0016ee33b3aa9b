"""Whether the process is up, and whether it can do its work: commit webhooks."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from notifier.web.documents import answer


@dataclass
class Health:
    """``/-/healthy`` and ``/-/ready``.

    Attributes:
        check: says why webhooks cannot be committed; "" is well.
        degraded: what does not work, one line each; it does not make the service unready.
    """

    check: Callable[[], Awaitable[str]]
    degraded: Callable[[], list[str]]

    def install(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/-/healthy", self.healthy)
        app.router.add_get("/-/ready", self.ready)

    async def healthy(self, _request: web.Request) -> web.Response:
        """The process is up."""
        return answer({"status": "ok"})

    async def ready(self, _request: web.Request) -> web.Response:
        """Whether webhooks can be committed."""
        problem = await self.check()
        if problem:
            return answer({"status": "not ready", "error": problem}, 503)
        return answer({"status": "ready", "degraded": self.degraded()})
