"""Whether webhooks can be committed: what the last of them met, and tries of our own after that.

A small commit proves little: it may fit into room that the database has already, where a webhook
does not. So what a webhook met counts until a commit of its size has gone through.
"""

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import structlog

from notifier.clock import Clock, first_of
from notifier.errors import StoreError
from notifier.store.base import Store
from notifier.web.documents import instant
from wiltonos_service.logs import ChangeLog

log = structlog.get_logger(__name__)

# a commit that takes longer does not go through
COMMIT_SECONDS = 3.0
TRY_SECONDS = 2.0
# what a webhook of a few alerts takes in every table
LEAST_ROOM = 64 * 1024
# meta keys: of the small commit, and of what fills the room of a webhook for a moment
COMMITTED_AT = "committed_at"
ROOM = "room"


@dataclass
class Committing:
    """Knows whether the database takes webhooks.

    Attributes:
        problem: why it does not; "" is well.
    """

    store: Store
    clock: Clock
    problem: str = ""
    _room: int = LEAST_ROOM
    _failing: asyncio.Event = field(default_factory=asyncio.Event)
    _changes: ChangeLog = field(default_factory=ChangeLog)

    def refused(self, reason: str) -> None:
        """A webhook was not taken, for whatever reason."""
        if self._changes.changed("accepting", reason):
            log.error("webhooks cannot be accepted", reason=reason)

    def failed(self, reason: str, size: int = 0) -> None:
        """A commit did not go through, of a body of so many bytes."""
        self.refused(reason)
        self.problem = reason
        self._room = max(self._room, size)
        self._failing.set()

    def worked(self) -> None:
        """A webhook was taken."""
        if self._changes.changed("accepting", ""):
            log.info("webhooks are accepted again")

    async def check(self) -> str:
        """Commit something small, unless webhooks are refused; returns what is wrong, or ""."""
        if not self.problem:
            problem = await self._try(self._stamp)
            if problem:
                self.failed(problem)
        return self.problem

    async def run(self, stopping: asyncio.Event) -> None:
        """While commits fail, try one of the size of a webhook every now and then."""
        while not stopping.is_set():
            await first_of(stopping.wait(), self._failing.wait())
            await first_of(stopping.wait(), self.clock.sleep(TRY_SECONDS))
            if not stopping.is_set():
                await self.try_room()

    async def try_room(self) -> None:
        """Commit something of the size of a webhook; once that works, all is well."""
        problem = await self._try(self._fill)
        if problem:
            self.problem = problem
            return
        self.problem, self._room = "", LEAST_ROOM
        self._failing.clear()
        self.worked()

    async def _try(self, work: Callable[[], Coroutine[Any, Any, None]]) -> str:
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await work()
        except StoreError as error:
            return str(error)
        except TimeoutError:
            return "the database does not commit"
        except Exception:
            # a defect must not end the tries: nobody would find out that it works again
            log.exception("commit not tried")
            return "unexpected error; see the log"
        return ""

    async def _stamp(self) -> None:
        await self.store.write_meta(COMMITTED_AT, str(instant(self.clock.now())))

    async def _fill(self) -> None:
        # no database can compress it, and it is gone before the next webhook
        await self.store.write_meta(ROOM, secrets.token_hex(self._room // 2))
        await self.store.write_meta(ROOM, "")
