"""Renders for an event loop: in one thread beside it, one rendering at a time."""

import asyncio
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from wiltonos_service.telemetry.exposition import (
    PATIENCE_SECONDS,
    Exposition,
    ScrapeReader,
    hanging,
)

# the Accept header, the names, and whether to compress
_Wanted = tuple[str, frozenset[str], bool]


@dataclass(slots=True)
class _Loop:
    """What is under way in one event loop, to which locks and tasks belong."""

    rendering: asyncio.Lock = field(default_factory=asyncio.Lock)
    under_way: dict[_Wanted, asyncio.Task[Exposition]] = field(default_factory=dict)


class Renderings:
    """The renderings of a reader for those who ask in event loops.

    In one loop two never overlap (the stock reader would answer one of them with nothing); requests
    for the same that arrive meanwhile share one. However many ask while a callback hangs, they take
    one thread of the loop's executor, which others use as well.

    Args:
        reader: renders; where there are several loops, it must be safe to call from many threads.
    """

    def __init__(self, reader: ScrapeReader) -> None:
        self._reader = reader
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Loop] = WeakKeyDictionary()

    async def render(self, accept: str, names: frozenset[str], *, gzip: bool) -> Exposition:
        """All metrics; see ``ScrapeReader.render``.

        Raises:
            ScrapeUnavailable: there is nothing to scrape now, or a callback hangs.
        """
        loop = self._loops.setdefault(asyncio.get_running_loop(), _Loop())
        task = self._task(loop, (accept, names, gzip))
        done, _ = await asyncio.wait((task,), timeout=PATIENCE_SECONDS)
        if not done:
            raise hanging()
        return task.result()

    def _task(self, loop: _Loop, wanted: _Wanted) -> asyncio.Task[Exposition]:
        task = loop.under_way.get(wanted)
        if task is None:
            task = asyncio.create_task(self._render_alone(loop, wanted))
            loop.under_way[wanted] = task
            task.add_done_callback(lambda _task: loop.under_way.pop(wanted, None))
        return task

    async def _render_alone(self, loop: _Loop, wanted: _Wanted) -> Exposition:
        async with loop.rendering:
            return await asyncio.to_thread(self._render_now, *wanted)

    def _render_now(self, accept: str, names: frozenset[str], gzip: bool) -> Exposition:
        exposition = self._reader.render(accept, names)
        return exposition.gzipped() if gzip else exposition
