"""Watches a state directory: events of the file system first, a slow rescan as the net below."""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TypeVar

import structlog
from watchfiles import awatch

from wiltonos_otel.clock import Clock
from wiltonos_otel.sources.files import LOOPS_DIRECTORY, STATE_FILE, is_loop_file
from wiltonos_otel.sources.intake import SETTLE_SECONDS, Intake, Sink
from wiltonos_otel.sources.reasons import Bad
from wiltonos_service.logs import ChangeLog

log = structlog.stdlib.get_logger("wiltonos_otel.sources")

# changes within a step are one batch; a steady stream is cut after the debounce
STEP_MS = 20
DEBOUNCE_MS = 50
# how often the directory itself is looked at: made, replaced, a link that points elsewhere
RENEW_SECONDS = 1.0
RESCAN_SECONDS = 1.0
# where the file system sends no events
POLL_SECONDS = 0.25
# a rescan may take this share of a processor
_RESCAN_SHARE = 0.05
# so many files are judged before others get their turn in the event loop
_CHUNK = 50
# so many rescans that find what no event announced mean that there are no events
_MISSED_LIMIT = 3

_Identity = tuple[tuple[int, int] | None, tuple[int, int] | None]
T = TypeVar("T")


class StateDirectory:
    """A source of samples: the state files of one directory, which may not exist yet.

    Args:
        directory: holds ``quantum_state.json`` and ``loops/``.
        sink: takes samples and errors.
        clock: tells the time.
        name: the source's name in ``wiltonos.source.*``.
    """

    def __init__(self, directory: Path, sink: Sink, clock: Clock, name: str = "state") -> None:
        self.directory = directory
        self.name = name
        self._clock = clock
        self._intake = Intake(directory, sink, clock, name)
        self._due: set[Path] = set()
        self._wake = asyncio.Event()
        self._look = asyncio.Event()
        self._taking = asyncio.Lock()
        self._announced: set[Path] = set()
        self._suspects: set[Path] = set()
        self._missed = 0
        self._said = ChangeLog()

    @property
    def problems(self) -> dict[str, Bad]:
        """What is wrong now, by file."""
        return dict(self._intake.problems)

    async def read_now(self) -> None:
        """Look at every file once."""
        await self._rescan()
        await self._take()

    async def run(self) -> None:
        """Deliver what changes, until cancelled; whatever fails is said and begun again."""
        while True:
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._follow_events())
                    tasks.create_task(self._rescan_often())
                    tasks.create_task(self._take_often())
            except* Exception as errors:
                log.error("state directory: beginning again", source=self.name, exc_info=errors)  # noqa: TRY400 - structlog
            await asyncio.sleep(RENEW_SECONDS)

    async def _take_often(self) -> None:
        while True:
            await self._wake.wait()
            await self._take()

    async def _take(self) -> None:
        async with self._taking:
            self._wake.clear()
            due, self._due = sorted(self._due), set()
            for start in range(0, len(due), _CHUNK):
                chunk = due[start : start + _CHUNK]
                readings = await asyncio.to_thread(self._intake.read, chunk)
                if doubtful := self._intake.judge(readings):
                    asyncio.get_running_loop().call_later(SETTLE_SECONDS, self._mark, doubtful)

    def _mark(self, paths: Iterable[Path]) -> None:
        self._due.update(paths)
        if self._due:
            self._wake.set()

    async def _rescan_often(self) -> None:
        while True:
            self._look.clear()
            start = self._clock.monotonic()
            found, cpu_seconds = await self._rescan()
            took = self._clock.monotonic() - start
            # what a rescan sees first may be announced a moment later, so the next one decides
            silent = self._suspects - self._announced
            self._suspects = found - self._announced
            self._announced.clear()
            self._missed = self._missed + 1 if silent else 0
            polling = self._missed >= _MISSED_LIMIT
            if self._said.changed("events", "missing" if polling else ""):
                log.info("file system events", source=self.name, arrive=not polling)
            pause = POLL_SECONDS if polling else RESCAN_SECONDS
            # its work counts and not its wait for a busy machine
            with suppress(TimeoutError):
                async with asyncio.timeout(max(pause, took, cpu_seconds / _RESCAN_SHARE)):
                    await self._look.wait()

    async def _rescan(self) -> tuple[set[Path], float]:
        """The files that changed, and the processor seconds that it took to find them."""
        async with self._taking:
            (changed, bad), cpu_seconds = await asyncio.to_thread(_timed, self._intake.changed)
            self._intake.judge_loops(bad)
        self._mark(changed)
        return changed, cpu_seconds

    async def _follow_events(self) -> None:
        while True:
            watched = await asyncio.to_thread(_identity, self.directory)
            if watched[0] is None or not await self._try_watch(watched):
                await asyncio.sleep(RENEW_SECONDS)

    async def _try_watch(self, watched: _Identity) -> bool:
        """Watch until the directory is another one; False where there are no events to be had."""
        try:
            await self._watch(watched)
        except (OSError, RuntimeError) as error:
            # no watches left (fs.inotify.max_user_watches), or none here: the rescan goes on
            if self._said.changed("watch", str(error)):
                log.warning("no file system events", source=self.name, error=str(error))
            return False
        return True

    async def _watch(self, watched: _Identity) -> None:
        """Announce changes until the directory is another one."""
        loops = self.directory / LOOPS_DIRECTORY
        paths = [self.directory] if watched[1] is None else [self.directory, loops]
        batches = awatch(
            *paths,
            watch_filter=None,
            debounce=DEBOUNCE_MS,
            step=STEP_MS,
            rust_timeout=int(RENEW_SECONDS * 1000),
            yield_on_timeout=True,
            recursive=False,
        )
        # runs once this step has ended, within which awatch begins to watch: what was written
        # between the last rescan and that moment is announced by nobody
        asyncio.get_running_loop().call_soon(self._look.set)
        async with aclosing(batches):
            async for batch in batches:
                named = (self._file_named(Path(name)) for _, name in batch)
                files = {path for path in named if path is not None}
                self._announced |= files
                self._mark(files)
                if await asyncio.to_thread(_identity, self.directory) != watched:
                    return

    def _file_named(self, path: Path) -> Path | None:
        """Our name for a file of ours; an event may name it by its real path."""
        if path.name == STATE_FILE and path.parent.name != LOOPS_DIRECTORY:
            return self.directory / STATE_FILE
        if path.parent.name == LOOPS_DIRECTORY and is_loop_file(path.name):
            return self.directory / LOOPS_DIRECTORY / path.name
        return None


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    """A result, and the processor seconds of this thread that it took."""
    start = time.thread_time()
    result = work()
    return result, time.thread_time() - start


def _identity(directory: Path) -> _Identity:
    """Which directories these are; None for one that is not there."""
    return _inode(directory), _inode(directory / LOOPS_DIRECTORY)


def _inode(directory: Path) -> tuple[int, int] | None:
    try:
        status = directory.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
