"""Work on incidents of very many alerts, beside the event loop.

What a message or a page says of two hundred thousand alerts takes seconds, in which no webhook
and no health check would be answered. What is usual takes no detour.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from notifier.incident import Incident

R = TypeVar("R")
# what is said of so many takes a few milliseconds
MANY_ALERTS = 2_000


def are_many(incidents: Iterable[Incident]) -> bool:
    """Whether what is said of them takes long."""
    return sum(len(incident.alerts) for incident in incidents) > MANY_ALERTS


async def beside(incidents: Iterable[Incident], work: Callable[[], R]) -> R:
    """Do it: in a thread where the incidents are large, else at once and without a pause."""
    return await asyncio.to_thread(work) if are_many(incidents) else work()


class LoopBeside:
    """An event loop in a thread of its own, for work that waits and computes by turns.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Coroutine[Any, Any, R]) -> R:
        """Its result; a caller that is cancelled cancels it."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def end(self, last: Coroutine[Any, Any, None]) -> None:
        """Cancel what is under way, do one thing more, and end the thread."""
        await self.run(_finish(last))
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join)
        self._loop.close()


async def _finish(last: Coroutine[Any, Any, None]) -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await last
