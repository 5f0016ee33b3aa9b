"""Renders for an event loop: in one thread beside it, one rendering at a time."""

import asyncio

from wiltonos_service.telemetry.exposition import (
    PATIENCE_SECONDS,
    Exposition,
    ScrapeReader,
    hanging,
)

# the Accept header, the names, and whether to compress
_Wanted = tuple[str, frozenset[str], bool]


class Renderings:
    """The renderings of a reader, for the event loop of whoever asks first.

    Two never overlap (the stock reader would answer one of them with nothing); requests for the
    same that arrive meanwhile share one. However many ask while a callback hangs, they take one
    thread of the loop's executor, which others use as well.

    Args:
        reader: renders.
    """

    def __init__(self, reader: ScrapeReader) -> None:
        self._reader = reader
        self._rendering = asyncio.Lock()
        self._under_way: dict[_Wanted, asyncio.Task[Exposition]] = {}

    async def render(self, accept: str, names: frozenset[str], *, gzip: bool) -> Exposition:
        """All metrics; see ``ScrapeReader.render``.

        Raises:
            ScrapeUnavailable: there is nothing to scrape now, or a callback hangs.
        """
        task = self._task((accept, names, gzip))
        done, _ = await asyncio.wait((task,), timeout=PATIENCE_SECONDS)
        if not done:
            raise hanging()
        return task.result()

    def _task(self, wanted: _Wanted) -> asyncio.Task[Exposition]:
        task = self._under_way.get(wanted)
        if task is None:
            task = asyncio.create_task(self._render_alone(wanted))
            self._under_way[wanted] = task
            task.add_done_callback(lambda _task: self._under_way.pop(wanted, None))
        return task

    async def _render_alone(self, wanted: _Wanted) -> Exposition:
        async with self._rendering:
            return await asyncio.to_thread(self._render_now, *wanted)

    def _render_now(self, accept: str, names: frozenset[str], gzip: bool) -> Exposition:
        exposition = self._reader.render(accept, names)
        return exposition.gzipped() if gzip else exposition
