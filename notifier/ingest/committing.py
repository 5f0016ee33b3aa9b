"""Whether webhooks can be committed: what the last of them met, and tries of our own after that.

A small commit proves little: it may fit into room that the database has already, where a webhook
does not. So what a webhook met counts until a commit of its size has gone through.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from notifier.clock import Clock, first_of
from notifier.errors import StoreError
from notifier.store.base import Store

log = structlog.get_logger(__name__)

# a commit that takes longer does not go through
LONGEST_TRY_SECONDS = 3.0
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
    _filled: int = 0
    _failing: asyncio.Event = field(default_factory=asyncio.Event)
    # why webhooks are refused, as the log has it
    _said: str = ""

    def __post_init__(self) -> None:
        self._stamp = _Try(self._write_stamp)
        self._fill = _Try(self._use_room)

    def refused(self, reason: str) -> None:
        """A webhook was not taken; who says it in the same words is logged once."""
        if reason != self._said:
            self._said = reason
            log.error("webhooks cannot be accepted", reason=reason)

    def failed(self, reason: str, size: int = 0) -> None:
        """A commit did not go through, of a body of so many bytes."""
        self.refused(reason)
        self.problem = reason
        self._room = max(self._room, size)
        self._failing.set()

    def worked(self, size: int = 0) -> None:
        """A commit went through, of a body of so many bytes."""
        if self.problem and size >= self._room:
            self._recovered()
        # a line that is full takes one webhook and refuses the next
        if self._said and not self.problem and self.store.waiting == 0:
            self._said = ""
            log.info("webhooks are accepted again")

    def _recovered(self) -> None:
        self.problem, self._room = "", LEAST_ROOM
        self._failing.clear()

    async def check(self) -> str:
        """Commit something small, unless webhooks are refused; returns what is wrong, or ""."""
        if not self.problem:
            problem = await self._stamp()
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
        problem = await self._fill()
        if problem:
            self.problem = problem
        else:
            self.worked(self._filled)

    async def _write_stamp(self) -> None:
        await self.store.write_meta(COMMITTED_AT, self.clock.now().isoformat())

    async def _use_room(self) -> None:
        # a larger one may fail meanwhile
        room = self._room
        # no database can compress it, and it is gone before the next webhook
        await self.store.write_meta(ROOM, secrets.token_hex(room // 2))
        await self.store.write_meta(ROOM, "")
        self._filled = room


class _Try:
    """A commit of our own. One that hangs is waited for again: more of them would pile up.

    Args:
        work: commits something.
    """

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work
        self._under_way: asyncio.Task[str] | None = None

    async def __call__(self) -> str:
        """Why it does not go through; "" is well."""
        trying = self._under_way
        if trying is None or trying.done():
            trying = self._under_way = asyncio.create_task(self._problem())
        await asyncio.wait([trying], timeout=LONGEST_TRY_SECONDS)
        return trying.result() if trying.done() else "the database does not commit"

    async def _problem(self) -> str:
        try:
            await self._work()
        except StoreError as error:
            return str(error)
        except Exception:
            # a defect must not end the tries: nobody would find out that it works again
            log.exception("commit not tried")
            return "unexpected error; see the log"
        return ""
