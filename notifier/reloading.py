"""A new configuration for the service that runs: checked first, then taken as a whole."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog
from aiohttp import web

from notifier.checking import mistakes
from notifier.settings import Settings
from notifier.web.documents import answer
from wiltonos_service.errors import OperatorError
from wiltonos_service.settings import Loaded

log = structlog.get_logger(__name__)

# what the listener and the database are made of
FIXED = ("listen", "database")


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What became of a new configuration.

    Attributes:
        problem: why it was refused; "" when it is in force.
        fixed: the keys that it changes and that only a restart takes.
    """

    problem: str = ""
    fixed: tuple[str, ...] = ()


@dataclass
class Reloading:
    """``SIGHUP`` and ``POST /-/reload``.

    Attributes:
        begun: the configuration that the service was started with.
        reread: reads the configuration anew.
        adopt: puts it in force, as a whole or not at all.
        problem: why the newest one was refused; "" is well.
    """

    begun: Loaded[Settings]
    reread: Callable[[], Loaded[Settings]]
    adopt: Callable[[Loaded[Settings]], Awaitable[None]]
    problem: str = ""
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _tasks: set[asyncio.Task[Reloaded]] = field(default_factory=set)

    def install(self, app: web.Application) -> None:
        """Add the route."""
        app.router.add_post("/-/reload", self.handle)

    def signalled(self) -> None:
        """``SIGHUP`` came."""
        task = asyncio.create_task(self.reload())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def handle(self, _request: web.Request) -> web.Response:
        """``POST /-/reload``: 200 once it is in force, 500 when it was refused."""
        done = await self.reload()
        if done.problem:
            return answer({"error": done.problem}, 500)
        return answer({"status": "reloaded", "needs_restart": list(done.fixed)})

    async def reload(self) -> Reloaded:
        """Read, check and adopt; what is wrong leaves the configuration before it in force."""
        async with self._turn:
            try:
                loaded = await asyncio.to_thread(self._checked)
                await self.adopt(loaded)
            except OperatorError as error:
                self.problem = "; ".join(str(error).splitlines())
                log.error(  # noqa: TRY400 - a user's mistake is one line
                    "new configuration refused; the one before stays in force",
                    problem=self.problem,
                )
                return Reloaded(self.problem)
        self.problem = ""
        fixed = _changed(self.begun.settings, loaded.settings)
        names = [channel.name for channel in loaded.settings.notifier.channels]
        log.info("configuration reloaded", channels=names)
        if fixed:
            log.warning("some of it takes effect at the next start", keys=", ".join(fixed))
        return Reloaded(fixed=fixed)

    def _checked(self) -> Loaded[Settings]:
        loaded = self.reread()
        found = mistakes(loaded)
        if found:
            raise OperatorError("\n".join(found))
        return loaded


def _changed(old: Settings, new: Settings) -> tuple[str, ...]:
    before, after = old.notifier, new.notifier
    found = [f"[notifier] {k}" for k in FIXED if getattr(before, k) != getattr(after, k)]
    pushes = type(new.telemetry).model_fields
    told = [k for k in pushes if getattr(old.telemetry, k) != getattr(new.telemetry, k)]
    found += [f"[telemetry] {k}" for k in told]
    return tuple(found)
